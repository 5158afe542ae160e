"""A recipe is set by names and values, and a wrong one is told."""

from __future__ import annotations

import pytest

from model.errors import ConfigError
from model.training.config import Config, configure


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("peak-lr=1", "is not NAME=VALUE of one of"),
        ("batch", "is not NAME=VALUE"),
        ("batch=1", "batch: .*greater than or equal to 2"),
        ("stages=[]", "at least 1 item"),
        ("seed=1000000", "less than 1000000"),
        ("distil=1.5", "distil: .*less than or equal to 1"),
        ("precision=fp8", "'auto', 'bf16' or 'fp32'"),
        ("stages=64", "Input should be a valid"),
        ("stages=[[1]]", "Field required"),
        ("teachers=,", "has an empty path in it; several teachers are one value"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_accepted(assignment: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        configure([assignment])


def test_a_value_that_is_set_twice_is_told() -> None:
    with pytest.raises(ConfigError, match="teachers is set twice, to a and to b; several"):
        configure(["teachers=a", "teachers=b"])


def test_values_are_set_by_name() -> None:
    config = configure(["batch=128", "stages=[[3, 32], [1, 64]]", "arch=vit_b_16"])
    assert (config.batch, config.stages, config.arch) == (128, ((3, 32), (1, 64)), "vit_b_16")
    assert config.momentum == Config().momentum
