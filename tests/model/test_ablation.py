"""Variants are trained once each, and told apart by what they were."""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from model.data import Dataset
from model.errors import AstrayError, ConfigError, DataError, PlaceError, TrainingError
from model.evaluation.shifts import SHIFTS
from model.training import ablation
from model.training import report as reporting
from model.training.ablation import ablate, rows, summary
from model.training.config import Config
from model.training.progress import read_rows, write_rows
from model.training.train import WEIGHTS, train
from settings import ROOT
from tests.model.nets import TINY, make_data


def test_an_ablation_goes_on_where_it_was_and_leaves_out_what_changes_nothing(
    tmp_path: Path, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = make_data(tmp_path / "data", tiles), tmp_path / "out"
    base = replace(TINY, stages=((1, 32),), batch=32)
    variants = ["the recipe", "without JPEG", "without teachers"]
    first = ablate(data, out, base, variants[:1], range(2))
    trained: list[Path] = []

    def counted(data: Dataset, out: Path, config):  # type: ignore[no-untyped-def]
        trained.append(out)
        return train(data, out, config)

    monkeypatch.setattr(ablation, "train", counted)
    found = ablate(data, out, base, variants, range(2))

    assert found[:2] == first
    assert [(row["variant"], row["seed"]) for row in found] == [
        ("the recipe", "0"),
        ("the recipe", "1"),
        ("without JPEG", "0"),
        ("without JPEG", "1"),
    ]
    assert [path.name for path in trained] == ["without-JPEG-0", "without-JPEG-1"]
    assert read_rows(out / "ablation.csv") == found
    assert set(SHIFTS) <= set(found[0])


TAKEN = ("without JPEG", "without shifts")


@pytest.mark.parametrize(
    ("base", "variants"),
    [
        (replace(TINY, jpeg=0.0), {"without shifts", "with mixup", "with CutMix"}),
        (replace(TINY, mixup=0.3), {*TAKEN, "without mixup", "with CutMix"}),
        (replace(TINY, cutmix=0.1, shift_px=0), {"without JPEG", "without CutMix", "with mixup"}),
    ],
)
def test_nothing_is_taken_away_or_added_twice(
    base: Config,
    variants: set[str],
    tmp_path: Path,
    tiles: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = [*TAKEN]
    tried += [f"{what} {it}" for what in ("with", "without") for it in ("mixup", "CutMix")]
    configs: dict[str, Config] = {}

    def seen(data: Dataset, out: Path, config: Config) -> Path:
        configs[out.name] = config
        raise AstrayError("seen, and not trained")

    monkeypatch.setattr(ablation, "train", seen)
    ablate(make_data(tmp_path / "data", tiles), tmp_path / "out", base, tried, range(1))
    assert configs.keys() == {f"{one.replace(' ', '-')}-0" for one in variants}
    assert base not in configs.values()


def test_a_run_that_another_process_is_about_is_left_to_it(
    tmp_path: Path, tiles: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = make_data(tmp_path / "data", tiles), tmp_path / "out"
    base = replace(TINY, stages=((1, 32),), batch=32)
    (out / "the-recipe-0").mkdir(parents=True)
    with (out / "the-recipe-0" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [row["seed"] for row in ablate(data, out, base, ["the recipe"], range(2))] == ["1"]
    assert "the-recipe-0: another process is about it" in capsys.readouterr().err
    found = ablate(data, out, base, ["the recipe"], range(2))
    assert [row["seed"] for row in found] == ["0", "1"]


def test_a_variant_that_goes_astray_ends_no_other_and_is_not_begun_again(
    tmp_path: Path,
    tiles: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, out = make_data(tmp_path / "data", tiles), tmp_path / "out"
    base = replace(TINY, stages=((1, 32),))
    begun = []

    def wild(data: Dataset, out: Path, config: Config) -> Path:
        begun.append(out.name)
        return train(data, out, config if config.soften else replace(config, peak_lr=1e9))

    monkeypatch.setattr(ablation, "train", wild)
    variants = ["the recipe", "without softening", "without JPEG"]
    for _ in range(2):
        found = ablate(data, out, base, variants, range(1))
        assert [row["variant"] for row in found] == ["the recipe", "without JPEG"]
        assert read_rows(out / "ablation.csv") == found
    assert begun == ["the-recipe-0", "without-softening-0", "without-JPEG-0"]
    told = (out / "without-softening-0" / "astray.txt").read_text()
    assert re.match(r"the loss is (nan|inf) after \d+ steps", told)

    command = ["ablation", "--data", str(data), "--out", str(out), "--seeds", "1", "--only"]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(ablation, "configure", lambda _: base)
    with pytest.raises(SystemExit, match=r"^without-softening-0: the loss is"):
        ablation.main()
    assert "without JPEG" in capsys.readouterr().out


def test_an_ablation_has_seeds_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes one seed and more"):
        ablate(tmp_path, tmp_path / "out", TINY, [], range(0))
    with pytest.raises(ConfigError, match="seed=7 has no place"):
        ablate(tmp_path, tmp_path / "out", replace(TINY, seed=7), [], range(1))
    assert not (tmp_path / "out").exists()


def test_processes_share_an_ablation_and_its_table_has_what_all_of_them_did(
    tmp_path: Path, tiles: list[Path]
) -> None:
    data, out = make_data(tmp_path / "data", tiles), tmp_path / "out"
    command = [
        *(sys.executable, "-m", "model.training.ablation", "--data", str(data), "--out", str(out)),
        *("--seeds", "2", "--only", "the recipe", "without JPEG"),
        *("--set", "arch=resnet18", "--set", "stages=[[1, 32]]", "--set", "batch=32"),
    ]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    told = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    table = read_rows(out / "ablation.csv")
    assert table == rows(out)
    assert [(row["variant"], row["seed"]) for row in table] == [
        (variant, seed) for variant in ("the recipe", "without JPEG") for seed in ("0", "1")
    ]
    assert not list(out.rglob("*.partial"))


def test_an_ablation_of_anything_else_is_not_gone_on_with(
    tmp_path: Path, tiles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = make_data(tmp_path / "data", tiles), tmp_path / "out"
    teacher = train(data, tmp_path / "teacher", replace(TINY, stages=((1, 32),)))
    base = replace(TINY, stages=((1, 32),), batch=32, teachers=(str(teacher),))
    for _ in range(2):
        ablate(data, out, base, [], range(1))
    with pytest.raises(TrainingError, match=r"peak_lr was 0\.05, now 0\.5"):
        ablate(data, out, replace(base, peak_lr=0.5), [], range(1))
    with monkeypatch.context() as patched:
        patched.setattr(ablation, "computes_in_bf16", lambda *_: "otherwise")
        with pytest.raises(TrainingError, match=r"bf16 was \w+, now otherwise"):
            ablate(data, out, base, [], range(1))
    train(data, tmp_path / "another", replace(TINY, stages=((1, 32),), seed=1))
    (tmp_path / "another" / WEIGHTS).replace(teacher)  # under the same name
    with pytest.raises(TrainingError, match=r"weights\.safetensors was \w{64}, now \w{64}"):
        ablate(data, out, base, [], range(1))
    for damaged in ("", '{"config": {}}'):
        (out / "base.json").write_text(damaged)
        with pytest.raises(TrainingError, match=r"base\.json is damaged, or of an earlier version"):
            ablate(data, out, base, [], range(1))


def test_gains_are_taken_seed_by_seed_and_one_seed_has_no_spread() -> None:
    shifts = dict.fromkeys(SHIFTS, "0.5") | {"JPEG quality 30": "0.32"}
    found = [
        {"variant": variant, "seed": seed, "validation_accuracy": accuracy, **shifts}
        for variant, seed, accuracy in (
            *(("the recipe", "0", "0.90"), ("the recipe", "1", "0.80")),
            *(("without JPEG", "0", "0.92"), ("without JPEG", "1", "0.83")),
            ("without mixup", "1", "0.85"),
        )
    ]
    recipe, without, once = summary(found)
    assert (recipe.accuracy, recipe.shifted) == pytest.approx((0.85, 0.48))
    assert recipe.worst[0] == "JPEG quality 30"
    assert recipe.worst[1] == pytest.approx(0.32)
    assert recipe.spread == pytest.approx(0.0707, abs=1e-4)
    assert (recipe.gain, recipe.gain_spread, once.spread, once.gain_spread) == (None,) * 4
    assert (without.gain, without.gain_spread) == pytest.approx((0.025, 0.00707), abs=1e-4)
    assert once.gain == pytest.approx(0.05)

    told = reporting._tried(found, json.loads(json.dumps(asdict(TINY))))
    assert "resnet18 on a schedule of 1 at 32 px, 1 at 64 px" in told
    assert "`peak_lr=0.05`" in told
    assert "| the recipe | 2 | 85.00% ± 7.07 |  | 48.00% | 32.00% (JPEG quality 30) |" in told
    assert "| without JPEG | 2 | 87.50% ± 6.36 | +2.50 ± 0.71 | 48.00% | 32.00% (J" in told
    assert "| without mixup | 1 | 85.00% | +5.00 | 48.00% | 32.00% (J" in told


def test_an_ablation_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(PlaceError, match="is a file, not a folder"):
        ablate(tmp_path, file, TINY, [], range(1))
    with pytest.raises(DataError, match="none does not exist; give a folder or zip"):
        ablate(tmp_path / "none", tmp_path / "ablation", TINY, [], range(1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda row: "",
        lambda row: row.replace("seed", "number"),
        lambda row: row.replace("variant", "kind"),
        lambda row: row.replace("0.9", "nan"),
        lambda row: row[: len(row) // 2],
        lambda row: row + row.splitlines()[1] + "\n",
    ],
    ids=["empty", "no seed", "no variant", "no accuracy", "cut off", "two rows"],
)
def test_a_damaged_row_is_told_by_its_file(damage: Callable[[str], str], tmp_path: Path) -> None:
    row = {"variant": "the recipe", "seed": "0", "validation_accuracy": "0.9"}
    path = tmp_path / "the-recipe-0" / "row.csv"
    write_rows(path, [row | dict.fromkeys(SHIFTS, "0.8")])
    assert len(rows(tmp_path)) == 1
    path.write_text(damage(path.read_text()))
    with pytest.raises(TrainingError, match=r"row\.csv is damaged.*delete it"):
        rows(tmp_path)


def test_what_a_row_had_in_an_earlier_version_is_left_out(tmp_path: Path) -> None:
    row = {"variant": "the recipe", "seed": "0", "validation_accuracy": "0.9"}
    row |= dict.fromkeys(SHIFTS, "0.8")
    write_rows(tmp_path / "0" / "row.csv", [row | {"fog": "0.7"}])
    write_rows(tmp_path / "1" / "row.csv", [row | {"seed": "1"}])
    path = tmp_path / "1" / "row.csv"
    path.write_text(path.read_text().rstrip() + ",more\n")
    assert rows(tmp_path) == [row, row | {"seed": "1"}]
