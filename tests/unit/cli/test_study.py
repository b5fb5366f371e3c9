"""`study` around its runs: what it refuses, how many it starts at a time, how it tells of one that failed."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FAILS = """
journal("split").write("start", title="split")
told = dict(error="the boxes are gone", log="split.log", status=1, resumable=False, interrupted=False)
journal("split").write("failed", **told)
sys.exit(1)
"""
MEETS = """
began = time.time()
time.sleep(1.0)
(run / "logs" / "span.json").write_text(json.dumps([began, time.time()]))
sys.exit(1)
"""

FEW = "--data.limit 40 --data.validation 0.25 --coarse.source out-of-fold " + " ".join(
    f"--{section}.batch 8" for section in ("local", "coarse", "coherent", "transfer", "tune", "global")
)
"""Four images of a class, of which one is kept for validation."""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("study", "`-o DIR` goes on with the study in DIR, and runs/study does not exist."),
        ("study -o nowhere", "PRESET is missing: it comes first, before the flags; `schwarz presets` lists them."),
        ("study -o empty", "and empty: holds no study."),
        ("study --local.epochs 3 -o empty", "and empty: flags need the PRESET that they change."),
        ("study tniy", "no preset 'tniy'. Did you mean 'tiny'?"),
        ("study tiny tiny", "'tiny' is named twice"),
        (f"study quickstart {FEW}", "coarse.folds = 5: class 'T-shirt' has 3 training images"),
        ("study tiny --seeds 0", "0 is too few: at least 1."),
        ("study tiny --jobs none", "'none' is no whole number."),
        ("study tiny --sees 3", "no option '--sees'. Did you mean '--seeds'?"),
        ("study tiny --local.epoch 3", "no option '--local.epoch'. Did you mean '--local.epochs'?"),
        ("study tiny --local.epochs 0", "greater than or equal to 1"),
        ("study tiny -o /proc/mine", "/proc/mine: cannot be written"),
        ("study tiny -o data.dvc", "data.dvc: cannot be written"),
        ("study tiny -o one", "one: is the folder of a run, not of a study"),
    ],
)
def test_what_cannot_be_studied_is_refused_before_anything_is_made(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, line: str, said: str
) -> None:
    (checkout / "data").symlink_to(sample)
    (checkout / "one").mkdir()
    (checkout / "empty").mkdir()
    (checkout / "one" / "config.toml").write_text("")
    before = sorted(checkout.rglob("*"))
    told = schwarz(*line.split())
    assert (told.status, told.out) == (2, "")
    assert said in told.last
    assert len(told.err.strip().splitlines()) <= 2
    assert sorted(checkout.rglob("*")) == before


@pytest.mark.parametrize("command", ["run", "study", "partition"])
@pytest.mark.parametrize("name", ["cifar10-vgg9-2x2", "chestct-vgg9-4x4x2", "adrenal3d-vgg9-2x2x1"])
def test_a_preset_whose_images_are_not_here_is_refused_with_the_way_to_get_them(
    schwarz: Callable[..., Any], checkout: Path, command: str, name: str
) -> None:
    began = time.monotonic()
    told = schwarz(command, name)
    assert time.monotonic() - began < 3
    data = name.partition("-")[0]
    assert told.status == 2
    assert f"no data set {data!r}" in told.last
    assert "https://" in told.last
    assert f"--name {data}" in told.last.partition("`schwarz data add ")[2]
    assert not (checkout / "runs").exists()


def test_a_preset_whose_images_are_not_here_can_be_shown(schwarz: Callable[..., Any], checkout: Path) -> None:
    told = schwarz("show", "food101-resnet50-4x4")
    assert told.status == 0
    assert "crop = [176, 176] " in told.out


def test_presets_are_listed_by_document_and_those_without_images_marked(
    schwarz: Callable[..., Any], checkout: Path
) -> None:
    lines = schwarz("presets").out.splitlines()
    assert lines.index("document 1, Tables 1 and 2:") < lines.index("document 3, Table 3.3:")
    (mine,) = (line for line in lines if line.split()[0] == "cifar10-vgg9-2x2")
    assert mine.split()[1] == "cifar10*"
    (tiny,) = (line for line in lines if line.split()[0] == "tiny")
    assert tiny.split()[1] == "sample"
    assert max(map(len, lines)) <= 120
    listed = {entry["name"]: entry for entry in json.loads(schwarz("presets", "--json").out)}
    assert (listed["tiny"]["data_is_here"], listed["cifar10-vgg9-2x2"]["data_is_here"]) == (True, False)


def test_cells_that_fail_are_told_with_their_cause_and_the_others_go_on(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, pipeline: Callable[[str], Path]
) -> None:
    (checkout / "data").symlink_to(sample)
    pipeline(FAILS)
    told = schwarz("study", "tiny", "--seeds", 3, "-o", "mine")
    assert told.status == 1
    failed = [line for line in told.out.splitlines() if "failed after" in line]
    assert [line.partition(":")[0] for line in failed] == ["tiny seed 0", "tiny seed 1", "tiny seed 2"]
    assert all(line.endswith("split failed: the boxes are gone (log split.log)") for line in failed)
    study = json.loads((checkout / "mine" / "study.json").read_text())
    assert study["presets"] == {}
    assert [cell["finished"] for cell in study["cells"]] == [False] * 3
    assert study["command"] == "schwarz study tiny --seeds 3 -o mine"


def test_a_study_in_which_nothing_finished_tells_of_no_table_and_no_picture(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, pipeline: Callable[[str], Path]
) -> None:
    (checkout / "data").symlink_to(sample)
    pipeline(FAILS)
    lines = schwarz("study", "tiny", "--seeds", 1, "-o", "mine").out.splitlines()
    assert lines[0] == "1 run"
    assert lines[2:] == [
        "", "tiny: seed 0 did not finish", "",
        f"study.md   {checkout / 'mine' / 'study.md'}", f"study.json {checkout / 'mine' / 'study.json'}",
    ]  # fmt: skip
    assert not (checkout / "mine" / "study.svg").exists()


def test_a_study_that_is_gone_on_with_keeps_its_command_and_has_the_folder_it_is_in(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, pipeline: Callable[[str], Path]
) -> None:
    (checkout / "data").symlink_to(sample)
    pipeline(FAILS)
    schwarz("study", "tiny", "--seeds", 1, "--strategies", "average", "global", "-o", "mine")
    (checkout / "mine").rename(checkout / "my runs")
    schwarz("study", "-o", "my runs")
    command = "schwarz study tiny --seeds 1 --strategies average global -o 'my runs'"
    assert json.loads((checkout / "my runs" / "study.json").read_text())["command"] == command
    assert f"    {command}" in (checkout / "my runs" / "study.md").read_text().splitlines()


@pytest.mark.parametrize("jobs", [1, 3])
def test_so_many_cells_run_at_a_time(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, pipeline: Callable[[str], Path], jobs: int
) -> None:
    (checkout / "data").symlink_to(sample)
    pipeline(MEETS)
    schwarz("study", "tiny", "--seeds", 3, "--jobs", jobs)
    spans = [json.loads(file.read_text()) for file in (checkout / "runs" / "study").rglob("span.json")]
    assert len(spans) == 3
    assert max(sum(a <= began < b for a, b in spans) for began, _ in spans) == jobs


def test_no_more_cells_run_at_a_time_than_their_threads_fill_the_cores(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, pipeline: Callable[[str], Path]
) -> None:
    (checkout / "data").symlink_to(sample)
    pipeline(FAILS)
    told = schwarz("study", "tiny", "--seeds", 2, "--place.workers", 2, "--place.threads", os.cpu_count())
    assert told.out.splitlines()[0] == "2 runs, 1 at a time"


def test_a_study_of_another_config_is_refused_and_the_difference_named(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, pipeline: Callable[[str], Path]
) -> None:
    (checkout / "data").symlink_to(sample)
    pipeline(FAILS)
    schwarz("study", "tiny", "--seeds", 1)
    told = schwarz("study", "tiny", "--seeds", 2, "--local.epochs", 4)
    assert told.status == 2
    assert "another configuration (local.epochs: 1, not 4). Choose another -o." in told.last


def test_a_study_that_another_process_runs_is_refused(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, pipeline: Callable[[str], Path]
) -> None:
    from schwarz.locks import locked

    (checkout / "data").symlink_to(sample)
    pipeline(FAILS)
    with locked(checkout / "runs" / "study" / "lock"):
        before = sorted(checkout.rglob("*"))
        told = schwarz("study", "tiny", "--seeds", 2)
        assert sorted(checkout.rglob("*")) == before
    assert told.status == 2
    assert f"process {os.getpid()} on " in told.last
    assert "runs this study since" in told.last


def test_a_run_that_is_no_cell_is_not_taken_for_one(
    schwarz: Callable[..., Any], checkout: Path, sample: Path, run_folder: Path
) -> None:
    (checkout / "data").symlink_to(sample)
    before = sorted(checkout.rglob("*"))
    for line in ("study tiny -o runs", "study quickstart -o runs", "study -o runs"):
        told = schwarz(*line.split())
        assert told.status == 2
        assert f"{run_folder}: holds a run of tiny seed 0, which is no cell of a study" in told.last
        assert told.last.endswith("Choose another -o.")
    assert sorted(checkout.rglob("*")) == before


def test_what_lies_where_a_cell_would_be_is_left_alone(
    schwarz: Callable[..., Any], checkout: Path, sample: Path
) -> None:
    (checkout / "data").symlink_to(sample)
    (checkout / "mine" / "tiny" / "1" / "photos").mkdir(parents=True)
    before = sorted(checkout.rglob("*"))
    told = schwarz("study", "tiny", "-o", "mine")
    assert told.status == 2
    assert told.last.endswith("mine/tiny/1: holds something that is no cell of a study. Choose another -o.")
    assert sorted(checkout.rglob("*")) == before
