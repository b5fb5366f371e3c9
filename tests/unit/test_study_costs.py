"""Whose cost a step of a run is: worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import RunFolder, create
from schwarz.study.costs import cost_of, steps_of
from schwarz.study.findings import epochs_of, reached
from tests.unit.study_cells import LOCALS, STEPS, wrote


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
