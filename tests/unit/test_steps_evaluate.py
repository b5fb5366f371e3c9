"""The step `evaluate`: what it measures of every strategy and of every local network."""

import numpy as np
import pytest
import torch

from schwarz.files import read_json
from schwarz.images import load
from schwarz.runs import RunFolder
from schwarz.shares import fleet
from schwarz.steps.evaluate import evaluate
from schwarz.strategies import Trained
from schwarz.training import predict
from tests.unit import trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run as far as to its evaluation, of networks that have learned next to nothing."""
    with pytest.MonkeyPatch.context() as patch:
        run = trained_run.make(tmp_path_factory.mktemp("run") / "run", patch, strategies=["average"])
        others = dict.fromkeys(("coarse", "coherent", "transfer", "composed", "composed_tuned", "global_"))
        locals_ = [run.steps / "train_local" / "0"]
        images, out = run.steps / "prepare_data", run.steps / "evaluate"
        evaluate(strategies=["average"], images=images, locals_=locals_, **others, out=out)
        return run


def of_five_largest(scores: np.ndarray, y: np.ndarray) -> float:
    """By hand."""
    return float(np.mean([label in np.argsort(row)[-5:] for row, label in zip(scores, y, strict=True)]))


def test_of_how_many_test_images_boxes_are_taken_from_is_said(run: RunFolder):
    assert read_json(run.steps / "evaluate" / "evaluation.json")["missing"]["images"] == 500


def test_of_how_many_training_images_it_measures_is_said(run: RunFolder):
    assert read_json(run.steps / "evaluate" / "evaluation.json")["train_images"] == 160


def test_of_many_classes_the_five_best_count_too(run: RunFolder):
    found = read_json(run.steps / "evaluate" / "evaluation.json")
    held = load(run.steps / "prepare_data", "validation")
    trained = Trained(fleet([run.steps / "train_local" / "0"]))
    row = found["strategies"]["average"]
    assert row["validation"] < row["validation_top5"] < 1
    assert row["validation_top5"] == pytest.approx(
        of_five_largest(predict(trained.model("average"), held.x).numpy(), held.y)
    )
    logits = predict(trained.blueprint.divided(trained.fleet, torch.nn.Identity()), held.x).numpy()
    for k, local in enumerate(found["locals"]):
        assert local["validation_top5"] == pytest.approx(of_five_largest(logits[:, k], held.y))
