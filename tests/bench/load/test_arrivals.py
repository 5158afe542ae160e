"""Requests are due when the shape says, as often as it says, and the same ones for a seed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from bench.load.arrivals import Arrivals, Trace, scaled
from bench.load.scenario import SCENARIOS, ScenarioError, read_scenario
from bench.load.traces import TraceError, read_trace, write_shaped

SHAPED = SCENARIOS / "traces" / "azure-functions-shaped.csv"


def shape(**members: Any) -> Any:
    return TypeAdapter(Arrivals).validate_python(members)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"kind": "constant", "rate_per_s": 50}, 5000),
        ({"kind": "poisson", "rate_per_s": 50}, 5000),
        ({"kind": "ramp", "from_per_s": 0, "to_per_s": 100}, 5000),
        ({"kind": "steps", "rates_per_s": [10, 20, 70]}, 3333),
        ({"kind": "burst", "requests": 800, "at_s": 10, "base_per_s": 20}, 2800),
        ({"kind": "on-off", "on_per_s": 90, "on_s": 10, "off_per_s": 10, "off_s": 10}, 5000),
    ],
)
def test_as_many_are_due_as_the_shape_says(members: dict[str, Any], expected: int) -> None:
    times = shape(**members).times_s(100.0, rng())
    assert len(times) == pytest.approx(expected, rel=0.05)
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] < 100
    assert (times == shape(**members).times_s(100.0, rng())).all()  # a seed decides them


def test_distances_of_a_poisson_process_are_exponential() -> None:
    distances = np.diff(shape(kind="poisson", rate_per_s=100).times_s(200.0, rng()))
    assert distances.std() == pytest.approx(distances.mean(), rel=0.03)
    assert np.median(distances) == pytest.approx(np.log(2) / 100, rel=0.03)


def test_a_ramp_rises_and_steps_step() -> None:
    ramp = np.histogram(
        shape(kind="ramp", from_per_s=0, to_per_s=200).times_s(100, rng()), 4, (0, 100)
    )[0]
    assert ramp == pytest.approx([625, 1875, 3125, 4375], rel=0.1)
    steps = np.histogram(
        shape(kind="steps", rates_per_s=[100, 0, 50]).times_s(90, rng()), 3, (0, 90)
    )[0]
    assert steps == pytest.approx([3000, 0, 1500], rel=0.1)


def test_a_burst_comes_at_once_or_evenly() -> None:
    at_once = shape(kind="burst", requests=500, at_s=2).times_s(10, rng())
    assert set(at_once) == {2.0}
    spread = shape(kind="burst", requests=500, at_s=2, over_s=5).times_s(10, rng())
    assert np.diff(spread) == pytest.approx(0.01)
    with pytest.raises(ValueError, match=r"ends at 7 s: duration_s = 6 has to be more"):
        shape(kind="burst", requests=5, at_s=2, over_s=5).times_s(6, rng())


def test_any_shape_can_be_scaled() -> None:
    assert scaled(shape(kind="steps", rates_per_s=[1, 3]), 2).rates_per_s == [2, 6]  # type: ignore[union-attr]
    assert scaled(shape(kind="burst", requests=10, base_per_s=4), 0.5).requests == 5  # type: ignore[union-attr]
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        scaled(shape(kind="trace", file="x", share=0.5), 3)


def test_the_trace_that_comes_along_is_what_its_command_writes() -> None:
    written = io.StringIO()
    write_shaped(written)
    assert written.getvalue() == SHAPED.read_text()


def test_a_trace_of_minutes_is_read_as_published(tmp_path: Path) -> None:
    """The 2019 format: https://github.com/Azure/AzurePublicDataset, Functions."""
    file = tmp_path / "invocations_per_function_md.anon.d01.csv"
    file.write_text(
        "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,http,2,0,1\no,a,g,timer,0,0,4\n"
    )
    times = read_trace(file, rng())
    assert np.histogram(times, 3, (0, 180))[0].tolist() == [2, 0, 5]


def test_a_trace_of_calls_is_read_as_published(tmp_path: Path) -> None:
    file = tmp_path / "AzureFunctionsInvocationTraceForTwoWeeksJan2021.txt"
    file.write_text("app,func,end_timestamp,duration\na,f,10.5,0.5\na,f,4.0,1.0\na,g,20.0,2.0\n")
    assert read_trace(file, rng()).tolist() == [0.0, 7.0, 15.0]


def test_a_trace_can_be_sped_up_thinned_and_begun_later() -> None:
    whole = Trace(kind="trace", file=SHAPED).times_s(86_400, rng())
    quick = Trace(kind="trace", file=SHAPED, speed=60, share=0.25).times_s(1_440, rng())
    assert len(quick) == pytest.approx(len(whole) / 4, rel=0.05)
    later = Trace(kind="trace", file=SHAPED, from_s=86_000).times_s(86_400, rng())
    assert later[-1] < 400


def test_what_is_no_trace_is_refused_with_what_would_be_one(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("when,what\n1,2\n")
    with pytest.raises(TraceError, match="HashOwner,HashApp,HashFunction,Trigger"):
        read_trace(file, rng())
    file.write_text("app,func,end_timestamp,duration\na,f,soon,0\n")
    with pytest.raises(TraceError, match="could not convert string to float: 'soon'"):
        read_trace(file, rng())
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "none.csv", rng())


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_scenario_that_comes_along_has_requests(path: Path) -> None:
    scenario = read_scenario(path)
    assert scenario.name == path.stem
    assert scenario.about
    assert len(scenario.arrivals.times_s(scenario.duration_s, rng()))
    assert scenario.images.is_dir()


def test_a_scenario_is_found_by_its_name_alone() -> None:
    assert read_scenario(Path("steady")).name == "steady"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("duration_s = 1\n", "arrivals: Field required"),
        ("duration_s = 1\narrivals = { kind = 'flood' }\n", "does not match any of the expected"),
        (
            "duration_s = 0\narrivals = { kind = 'constant', rate_per_s = 1 }\n",
            "duration_s: Input should be greater than 0",
        ),
        (
            "duration_s = 1\nspeed = 2\narrivals = { kind = 'constant', rate_per_s = 1 }\n",
            "speed: Extra inputs are not permitted",
        ),
        ("duration_s = ", "cannot be read: Invalid value"),
    ],
)
def test_a_scenario_that_makes_no_sense_says_where(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=complaint):
        read_scenario(file)


def test_a_scenario_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ScenarioError, match=r"burst, idle, on-off, ramp"):
        read_scenario(Path("stedy"))
