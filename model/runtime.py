"""OpenVINO, without what only conversion needs.

``import openvino`` brings its model converter along: more than half of the import's time
(``python -X importtime -c 'import openvino'``), and telemetry that would have each start
reported. Whoever converts imports the converter by its own name.
"""

from __future__ import annotations

import sys

CONVERTER = "openvino.tools.ovc"

_converter = sys.modules.get(CONVERTER)
sys.modules[CONVERTER] = None  # type: ignore[assignment]  # an import of None fails
try:
    import openvino
finally:
    del sys.modules[CONVERTER]
    if _converter:
        sys.modules[CONVERTER] = _converter

__all__ = ["openvino"]
