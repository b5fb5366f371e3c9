"""Studies: what seeds say together, whose cost a step is, and the table that comes of it, worked out by hand."""

import json
from math import inf, sqrt
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from schwarz.errors import WrongInput
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import RunFolder, create
from schwarz.study.cells import Cell, at_once, existing, plan
from schwarz.study.costs import cost_of, steps_of
from schwarz.study.findings import epochs_of, findings, reached
from schwarz.study.pages import heading, page, write
from schwarz.study.speed import speed
from schwarz.study.spread import Spread, spread, t95, within
from schwarz.study.table import HEAD, markdown, rows

STEPS = {
    "prepare_data": (3.0, 30.0), "split": (2.0, 20.0), "train_coarse": (5.0, 5.0),
    "train_coherent/scratch": (40.0, 4.0), "train_coherent/transfer": (20.0, 2.0), "compose": (6.0, 6.0),
    "train_global/random": (100.0, 50.0), "train_global/composed": (30.0, 3.0), "evaluate": (1000.0, 1000.0),
}  # fmt: skip
"""CPU-seconds and seconds of the steps of a run."""
LOCALS = ((9.0, 8.0), (12.0, 10.0))
"""CPU-seconds of the step and of its training, of two local networks."""


def wrote(run: Path, step: str, cpu_s: float, wall_s: float, **histories: float) -> None:
    """A step's done.json, and the histories below it."""
    folder = run / "steps" / step
    for name, trained_s in histories.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "history.json").write_text(json.dumps({"cpu_s": [trained_s / 2, trained_s]}))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "done.json").write_text(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s}))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """The steps of a run of two boxes."""
    made = create(override(preset("tiny"), {"partition.grid": (2, 1)}), tmp_path / "run")
    for step, (cpu_s, wall_s) in STEPS.items():
        wrote(made.path, step, cpu_s, wall_s)
    for k, (cpu_s, trained_s) in enumerate(LOCALS):
        wrote(made.path, f"train_local/{k}", cpu_s, 1.0, **{f"box-{k}": trained_s})
    (made.steps / "train_coherent/transfer/network.json").write_text('{"pretrain": null}')
    return made


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (9, 2.26216), (10, 2.22814), (120, 1.97993)],
)  # fmt: skip
def test_the_t_of_few_seeds_is_that_of_the_printed_tables(freedom: int, t: float) -> None:
    assert t95(freedom) == pytest.approx(t, abs=6e-6 * t)


def test_with_one_degree_of_freedom_half_of_all_lies_between_minus_1_and_1() -> None:
    assert within(1.0, 1) == pytest.approx(0.5)  # Cauchy's distribution
    assert within(inf, 7) == pytest.approx(1.0)


def test_the_interval_of_a_mean_is_t_times_its_standard_error() -> None:
    three = Spread((1.0, 2.0, 3.0))
    assert three.mean == 2.0
    assert three.half == pytest.approx(4.302653 / sqrt(3))
    assert Spread((0.8, 0.9)).half == pytest.approx(12.7062 * 0.05, rel=1e-5)
    assert Spread((0.5, 0.5, 0.5)).half == 0.0


def test_one_seed_has_a_mean_and_no_interval() -> None:
    assert Spread((0.7,)).half is None
    assert spread([None, 0.7]) == Spread((0.7,))
    assert spread([None, None]) is None


@pytest.mark.parametrize(
    ("strategy", "cpu_s", "apart"),
    [
        ("global", 103, 103),
        ("coherent", 43, 43),
        ("average", 26, 17),
        ("product", 26, 17),
        ("coarse", 31, 22),
        ("transfer", 46, 37),
        ("composed", 32, 23),
        ("composed_tuned", 62, 53),
    ],
)
def test_a_strategy_costs_what_the_steps_cost_that_it_needs(
    run: RunFolder, strategy: Any, cpu_s: int, apart: int
) -> None:
    cost = cost_of(run, strategy)
    assert (cost.cpu_s, cost.apart_cpu_s) == (cpu_s, apart)


def test_a_transfer_that_pretrains_networks_of_its_own_does_not_cost_those_of_the_run(run: RunFolder) -> None:
    (run.steps / "train_coherent/transfer/network.json").write_text('{"pretrain": 150}')
    assert cost_of(run, "transfer").cpu_s == 3 + 2 + 20


def test_a_strategy_takes_on_the_clock_what_its_steps_took(run: RunFolder) -> None:
    assert cost_of(run, "composed").wall_s == 30 + 20 + 2 + 6


def test_two_local_networks_trained_in_one_step_are_apart_as_well(run: RunFolder) -> None:
    wrote(run.path, "train_local/0", 20.0, 1.0, **{"box-0": 7.0, "box-1": 11.0})
    (run.steps / "train_local/1/done.json").unlink()
    assert cost_of(run, "average").cpu_s == 5 + 20
    assert cost_of(run, "average").apart_cpu_s == 5 + (2 + 11)


def test_what_an_earlier_attempt_on_more_pods_left_costs_nothing(run: RunFolder) -> None:
    wrote(run.path, "train_local/0", 20.0, 1.0, **{"box-0": 7.0, "box-1": 11.0})
    assert cost_of(run, "average").cpu_s == 5 + 20


def test_a_finished_run_costs_the_same_whatever_pods_it_would_be_run_on_now(run: RunFolder) -> None:
    moved = create(override(run.config, {"place.pods": 1}), run.path)
    assert cost_of(moved, "average") == cost_of(run, "average")


def test_a_training_that_was_cut_off_costs_all_that_its_history_says(run: RunFolder) -> None:
    wrote(run.path, "train_local/1", 3.0, 1.0, again=12.5)
    (run.steps / "train_local/1/box-1/history.json").unlink()
    assert cost_of(run, "average").cpu_s == 5 + 9 + 12.5


def test_every_cost_begins_with_the_data_and_none_counts_evaluation() -> None:
    for strategy in ("global", "majority", "transfer", "composed_tuned"):
        assert steps_of(strategy)[0] == "prepare_data"
        assert not {"evaluate", "export_onnx", "report", "register"} & set(steps_of(strategy))


def test_epochs_are_those_of_the_local_networks_and_its_own() -> None:
    lengths = {"local 0": 4, "local 1": 6, "coarse": 15, "transfer": 3, "global": 9}
    curves = {name: {"epoch": list(range(n))} for name, n in lengths.items()}
    found = {name: epochs_of(name, curves) for name in ("average", "coarse", "transfer", "composed", "global")}
    assert found == {"average": 6, "coarse": 6, "transfer": 9, "composed": 6, "global": 9}


def test_a_transfer_that_pretrains_has_the_epochs_of_its_own_local_networks() -> None:
    curves = {name: {"epoch": list(range(n))} for name, n in {"local 0": 4, "transfer": 3}.items()}
    assert epochs_of("transfer", curves, pretrain=150) == 153


def test_what_was_reached_by_some_cost_is_that_of_the_last_epoch_within_it() -> None:
    course = [{"epochs": e, "cpu_s": 10.0 * e + 1, "validation": v} for e, v in ((1, 0.5), (2, 0.7), (3, 0.8))]
    assert reached(course, "cpu_s", 10.9) is None
    assert reached(course, "cpu_s", 21.0) == 0.7
    assert reached(course, "epochs", 2) == 0.7
    assert reached(course, "epochs", 99) == 0.8


def row(validation: float, train: float, test: float, cpu_s: float) -> dict[str, float]:
    return {"validation": validation, "train": train, "test": test, "cpu_s": cpu_s}


def finished(cell: Cell, better: float) -> None:
    """Let a cell have ended, its accuracies higher by `better`."""
    for step in ("prepare_data", "split", "train_coarse", "train_global/random"):
        wrote(cell.run.path, step, *STEPS[step])
    for k, (cpu_s, trained_s) in enumerate(LOCALS):
        wrote(cell.run.path, f"train_local/{k}", cpu_s, 1.0, **{f"box-{k}": trained_s})
    (cell.run.path / "results.json").write_text(json.dumps({
        "created": "2026-01-01T00:00:00+00:00", "best": "coarse", "run": {"wall_s": 1.0},
        "data": {"name": "cifar10", "md5": "0.dir", "train": 45000, "validation": 5000, "test": 10000},
        "lineage": {"commit": "a" * 40, "dirty": False, "processor": "a CPU", "versions": {"torch": "2"}},
        "locals": [{"box": k, **row(0.5 + better, 0.6, 0.5, trained_s)} for k, (_, trained_s) in enumerate(LOCALS)],
        "strategies": {
            "global": row(0.75 + better, 0.85, 0.74, 80.0), "average": row(0.6 + better, 0.7, 0.61, 18.0),
            "coarse": row(0.7 + better, 0.8, 0.71, 20.0),
        },
        "curves": {
            **{f"local {k}": {"epoch": [1, 2]} for k in (0, 1)}, "coarse": {"epoch": [1]},
            "global": {
                "epoch": [1, 2, 3], "cpu_s": [10.0, 45.0, 80.0], "validation_accuracy": [0.5, 0.75 + better, 0.72],
            },
        },
    }))  # fmt: skip


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    """A study of document 1's CIFAR-10 with two seeds, which have ended."""
    made = plan([preset("cifar10-vgg9-2x2")], 2, tmp_path / "study")
    for cell, better in zip(made, (0.0, 0.02), strict=True):
        finished(cell, better)
    return made


def test_the_table_has_the_documents_form_and_both_figures_where_they_disagree(cells: list[Cell]) -> None:
    (found,) = findings(cells).values()
    table = {cells[0]: cells[1:] for cells in rows(found)}
    assert list(table) == ["local, mean of 2", "global", "average", "coarse", ""]
    # validation, training, half of an interval of two values 0.02 apart: 12.7062 * 0.01
    assert table["global"][:5] == ("3", "0.7600 (0.8500)", "0.1271", "0.7400", "103")
    # set-up of 23 CPU-seconds and 3 + 45: within its second epoch at 68, within none at 26
    assert table["average"] == (
        *("2", "0.6100 (0.7000)", "0.1271", "0.6100", "26.0", "17.0", "0.7600", ""), "0.6745 (0.7081)", "-0.0645",
    )  # fmt: skip
    assert table["coarse"][-2:] == ("0.7669 (0.8071), Table 1", "-0.0569")
    assert table[""][-2:] == ("0.7999 (0.8663), Table 2", "-0.0899")
    assert table["local, mean of 2"][:4] == ("2", "0.5100 (0.6000)", "0.1271", "0.5000")


def test_what_took_longer_than_global_is_marked(cells: list[Cell]) -> None:
    for cell in cells:
        wrote(cell.run.path, "train_coarse", 90.0, 1.0)
    (found,) = findings(cells).values()
    coarse = next(row for row in rows(found) if row[0] == "coarse")
    assert coarse[HEAD.index("at CPU-s")] == "0.7600*"
    assert coarse[HEAD.index("at epochs")] == "0.7600"


def test_local_networks_of_which_something_is_printed_have_rows_of_their_own(tmp_path: Path) -> None:
    made = plan([preset("cifar10-resnet32-2x2")], 1, tmp_path)
    finished(made[0], 0.0)
    (found,) = findings(made).values()
    table = list(rows(found))
    assert [cells[0] for cells in table] == ["local 0", "local 1", "global", "average", "coarse"]
    assert [cells[3] for cells in table] == [""] * 5  # one seed has no interval
    assert table[1][-2:] == ("0.6818", f"{0.5 - 0.6818:+.4f}")


def test_an_epoch_of_the_global_network_is_compared_with_one_of_all_local_ones_and_of_the_longest(
    cells: list[Cell],
) -> None:
    (found,) = findings(cells).values()
    measured = speed(found)
    assert measured
    assert measured.together == pytest.approx((80 / 3) / (18 / 2))
    assert measured.apart == pytest.approx((80 / 3) / (10 / 2))


def test_a_transfer_that_pretrained_is_found_with_the_epochs_and_cost_of_its_own_networks(cells: list[Cell]) -> None:
    run = cells[0].run
    results = run.results() or {}
    results["strategies"]["transfer"] = row(0.8, 0.9, 0.8, 15.0)
    results["curves"]["transfer"] = {"epoch": [1, 2, 3]}
    (run.path / "results.json").write_text(json.dumps(results))
    wrote(run.path, "train_coherent/transfer", *STEPS["train_coherent/transfer"])
    (run.steps / "train_coherent/transfer/network.json").write_text('{"pretrain": 150}')
    (found,) = findings(cells[:1]).values()
    (transfer,) = (each for each in found if each.name == "transfer")
    assert (transfer.figures[0]["epochs"], transfer.figures[0]["cpu_s"]) == (153, 3 + 2 + 20)


def test_a_study_leaves_numbers_a_page_and_a_picture(cells: list[Cell], tmp_path: Path) -> None:
    (tmp_path / "study" / "cifar10-vgg9-2x2" / "1" / "results.json").unlink()
    write(tmp_path, cells, findings(cells), "schwarz study cifar10-vgg9-2x2 --seeds 2")
    told = json.loads((tmp_path / "study.json").read_text())
    coarse = told["presets"]["cifar10-vgg9-2x2"]["coarse"]
    assert coarse["validation"] == {"mean": 0.7, "half_of_95": None, "values": [0.7]}
    assert coarse["cpu_s"]["values"] == [31.0]
    assert [each["table"] for each in coarse["printed"]] == ["document 1, Table 1", "document 1, Table 2"]
    assert coarse["printed"][0]["difference"] == pytest.approx(0.7 - 0.7669)
    assert [(cell["seed"], cell["finished"]) for cell in told["cells"]] == [(0, True), (1, False)]
    assert [cell["config_digest"] for cell in told["cells"]] == [cell.run.config.science() for cell in cells]
    assert told["cells"][0]["commit"] == "a" * 40
    lines = (tmp_path / "study.md").read_text().splitlines()
    assert "## cifar10-vgg9-2x2: seed 0; not finished: 1" in lines
    assert f"| {' | '.join(HEAD)} |" in lines
    assert "- processor a CPU" in lines
    drawn = ElementTree.parse(tmp_path / "study.svg").getroot()  # noqa: S314  # our own
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in (tmp_path / "study.svg").read_text()
    assert "#000001" not in (tmp_path / "study.svg").read_text()


def test_a_page_of_nothing_finished_says_so(tmp_path: Path) -> None:
    made = plan([preset("tiny")], 2, tmp_path)
    assert "## tiny: no seed is finished; not finished: 0, 1" in page(made, findings(made), "schwarz study tiny")


def test_a_study_whose_validation_images_are_the_test_images_says_so(tmp_path: Path) -> None:
    changes = {"data.validation": "test", "strategies": ["global", "average"]}
    made = plan([override(preset("tiny"), changes)], 1, tmp_path)
    assert heading("tiny", made).endswith("; the validation images are the test images")


def test_markdown_has_as_many_cells_in_every_line(cells: list[Cell]) -> None:
    (found,) = findings(cells).values()
    assert {line.count("|") for line in markdown(HEAD, list(rows(found)))} == {len(HEAD) + 1}


def test_cells_are_run_seed_by_seed(tmp_path: Path) -> None:
    made = plan([override(preset("quickstart"), {"seed": 5}), override(preset("tiny"), {"seed": 5})], 2, tmp_path)
    assert [str(cell) for cell in made] == ["quickstart seed 5", "tiny seed 5", "quickstart seed 6", "tiny seed 6"]
    assert made[1].run.path == tmp_path / "tiny" / "5"


def test_as_many_cells_run_at_once_as_fill_the_cores(tmp_path: Path) -> None:
    made = plan([preset("tiny"), override(preset("quickstart"), {"place.workers": 2, "place.threads": 3})], 1, tmp_path)
    assert [at_once(made, cores) for cores in (4, 6, 11, 12)] == [1, 1, 1, 2]
    assert at_once(made[:1], 4) == 4


def test_a_study_is_added_to_and_gone_on_with(tmp_path: Path) -> None:
    first = plan([preset("tiny")], 1, tmp_path)
    assert [cell.run.uid for cell in plan([preset("tiny")], 2, tmp_path)][:1] == [first[0].run.uid]
    plan([preset("quickstart")], 1, tmp_path)
    assert [str(cell) for cell in plan([], 1, tmp_path)] == ["quickstart seed 0", "tiny seed 0", "tiny seed 1"]


def test_another_configuration_of_a_preset_is_refused_and_named_before_anything_is_made(tmp_path: Path) -> None:
    plan([preset("tiny")], 1, tmp_path)
    other = override(preset("tiny"), {"local.epochs": 7, "seed": 3})
    with pytest.raises(WrongInput, match=r"tiny with another configuration \(local.epochs: 1, not 7\)\. Choose"):
        plan([preset("quickstart"), other], 2, tmp_path)
    assert [str(cell) for cell in existing(tmp_path)] == ["tiny seed 0"]


def test_a_preset_named_twice_and_the_folder_of_a_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="'tiny' is named twice"):
        plan([preset("tiny"), preset("tiny")], 1, tmp_path)
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(WrongInput, match="is the folder of a run"):
        plan([preset("tiny")], 1, tmp_path)
