"""What schemathesis sends for an image: real tiles, damaged ones, and noise."""

from __future__ import annotations

import base64
from random import Random

import schemathesis
from hypothesis import strategies as st

from tests.fuzz import seeds
from tests.fuzz.inputs import mutated
from tests.fuzz.mutations import MUTATIONS

SOUND = st.sampled_from([data for one in ("JPEG", "PNG") for data in seeds.sound(one)[:10]])
DAMAGED = st.builds(
    lambda image_format, name, seed: mutated(image_format, name, Random(seed)),
    st.sampled_from(seeds.FORMATS),
    st.sampled_from(sorted(MUTATIONS.keys() - {"bomb"})),
    st.integers(0, 1000),
)
IMAGES = SOUND | SOUND | DAMAGED | st.binary(max_size=200)

schemathesis.openapi.format("binary", IMAGES)
schemathesis.openapi.media_type("image/*", IMAGES)
schemathesis.openapi.format("byte", IMAGES.map(lambda data: base64.b64encode(data).decode()))
