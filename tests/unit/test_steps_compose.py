"""The step `compose`: what it composed is verified and measured, and kept as the configuration says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from schwarz.blueprint import blueprint_of, load_fleet, load_whole
from schwarz.composition import compose
from schwarz.files import read_json
from schwarz.images import load
from schwarz.journal import read
from schwarz.runs import RunFolder
from schwarz.shares import fleet
from schwarz.steps.compose import enough
from schwarz.training import accuracy, predict
from tests.unit import composed_run

FIGURES = {
    "verify_exact", "verify_holds", "verify_logit_gap", "verify_feature_gap", "verify_missed", "verify_cost",
    "verify_cost_bound", "validation_accuracy_keep", "validation_accuracy_recompute",
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """One run that keeps the local networks' statistics, and one that recomputes them."""
    with pytest.MonkeyPatch.context() as patch:
        return {
            how: composed_run.make(tmp_path_factory.mktemp(how) / "run", patch, **{"compose.statistics": how})
            for how in ("keep", "recompute")
        }


def folder(run: RunFolder) -> Path:
    return run.steps / "compose"


def test_the_verdict_is_kept_beside_the_weights(runs: dict[str, RunFolder]):
    found = read_json(folder(runs["keep"]) / "verify.json")
    assert (found["case"], found["exact"], found["holds"], found["images"]) == ("field", False, True, 40)
    assert found["feature_gap"] < 1e-6
    assert found["logit_gap"] > found["tolerance"]
    assert [layer["name"] for layer in found["layers"]][:2] == ["features.0", "features.1"]
    assert [bound["holds"] for bound in found["bounds"]][2] is True


def test_its_figures_are_metrics_of_the_step_and_of_the_networks_run(runs: dict[str, RunFolder]):
    run = runs["keep"]
    measured = read_json(folder(run) / "done.json")["metrics"]
    assert set(measured) == FIGURES
    events = [event for event in read(run.journal) if event["step"] == "compose"]
    (told,) = [event for event in events if event["event"] == "metric"]
    assert (told["run"], told["metrics"]) == ("composed", measured)
    (opened,) = [event for event in events if event["event"] == "run"]
    assert opened["tags"] == {"verify.case": "field"}
    verdict = read_json(folder(run) / "verify.json")
    assert measured["verify_logit_gap"] == verdict["logit_gap"]
    assert measured["verify_missed"] == verdict["bounds"][0]["left"]
    assert (measured["verify_cost"], measured["verify_cost_bound"]) == (
        verdict["bounds"][2]["left"],
        verdict["bounds"][2]["right"],
    )


def test_both_statistics_are_measured_whichever_is_used(runs: dict[str, RunFolder]):
    found = {how: read_json(folder(run) / "verify.json")["statistics"] for how, run in runs.items()}
    assert {how: measured.pop("used") for how, measured in found.items()} == {"keep": "keep", "recompute": "recompute"}
    assert found["keep"] == found["recompute"]
    for how, run in runs.items():
        held = load(run.steps / "prepare_data", "validation")
        reached = accuracy(predict(load_whole(folder(run)), held.x), held.y)
        assert reached == found[how][how]


def test_kept_weights_are_the_composed_ones_and_recomputed_ones_differ_in_statistics_alone(runs: dict[str, RunFolder]):
    kept, recomputed = (load_file(folder(run) / "weights.safetensors") for run in runs.values())
    boxes = fleet(sorted((runs["keep"].steps / "train_local").iterdir()))
    blueprint = blueprint_of(boxes[0])
    composed = compose(blueprint.global_network(5), load_fleet(boxes), blueprint.partition).state_dict()
    assert all(torch.equal(kept[name], value) for name, value in composed.items())
    differ = {name.rpartition(".")[2] for name in kept if not torch.equal(kept[name], recomputed[name])}
    assert differ == {"running_mean", "running_var"}


def test_recomputed_statistics_are_those_of_whole_training_images(runs: dict[str, RunFolder]):
    run = runs["recompute"]
    network = load_whole(folder(run))
    train = load(run.steps / "prepare_data", "train")  # fewer than a million pixels: all are taken
    first, norm = network.network.get_submodule("features.0"), network.network.get_submodule("features.1")
    with torch.no_grad():
        maps = first(network.preprocess(torch.from_numpy(np.array(train.x))))
    torch.testing.assert_close(norm.get_buffer("running_mean"), maps.mean((0, 2, 3)))
    torch.testing.assert_close(norm.get_buffer("running_var"), maps.var((0, 2, 3)))


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((3, 32, 32), 1024), ((3, 180, 180), 32), ((3, 512, 512), 32),
        ((1, 28, 28, 28), 47), ((1, 64, 64, 64), 8), ((1, 128, 128, 64), 8),
    ],
)  # fmt: skip
def test_statistics_are_of_a_million_pixels_and_of_volumes_on_eight_of_them_at_least(
    shape: tuple[int, ...], count: int
):
    assert enough(shape) == count


def test_the_picture_is_drawn_once_for_the_page(runs: dict[str, RunFolder]):
    picture = (folder(runs["keep"]) / "features.svg").read_text()
    assert picture.startswith('<svg class="plot"')
    assert "on the field: 0<" in picture
    assert len(picture) < 150_000
