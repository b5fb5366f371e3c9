"""Export the chosen strategy as one ONNX graph on whole raw images, and check it against torch before it counts."""

from pathlib import Path

import numpy as np

from schwarz.coherent import Deployed
from schwarz.config import Export, Strategy
from schwarz.described import Description, one_of_each
from schwarz.evaluation import blank
from schwarz.export import check, export
from schwarz.files import read_json, sha256, write_json
from schwarz.images import load
from schwarz.int8 import in_int8
from schwarz.reproduction import WEIGHTS, made_of
from schwarz.shares import fleet
from schwarz.steps.frame import Metrics, step
from schwarz.strategies import Trained


@step("export")
def export_onnx(
    preset: str, export_: Export, *, begun: Path, images: Path, evaluation: Path, locals_: list[Path],
    coarse: Path | None, coherent: Path | None, transfer: Path | None, composed: Path | None,
    composed_tuned: Path | None, global_: Path | None, out: Path,
) -> Metrics:  # fmt: skip
    """Writes <strategy>.onnx, <strategy>-int8.onnx if asked for, model.json (strategy, file, sha256, largest gap to
    torch at each batch size) and weights.json, the sha256 of all that the run trained."""
    trained = Trained(fleet(locals_), coarse, coherent, transfer, composed, composed_tuned, global_)
    best: Strategy = read_json(evaluation / "evaluation.json")["best"]
    strategy: Strategy = best if export_.strategy == "best" else export_.strategy
    module, path, blueprint = Deployed(trained.model(strategy)), out / f"{strategy}.onnx", trained.blueprint
    about = read_json(images / "data.json")
    validation = load(images, "validation")
    rows = one_of_each(validation.y, export_.samples if len(blueprint.image_shape) == 3 else 0)
    told = Description(
        strategy, preset, about["md5"], read_json(begun / "lineage.json")["commit"], tuple(about["classes"]),
        blueprint.partition.boxes, blueprint.pad, blank(blueprint)[0], validation.x[np.sort(rows)],
        tuple(validation.y[np.sort(rows)].tolist()),
    )  # fmt: skip
    export(module, path, image_shape=blueprint.image_shape, metadata=told.properties())
    gaps = check(module, path, validation.x)
    int8 = in_int8(path, load(images, "train"), validation, export_.int8_margin) if export_.int8 else None
    model = {"strategy": strategy, "file": path.name, "sha256": sha256(path), "parity": gaps}
    write_json(out / "model.json", {**model, "int8": int8 and int8.to_json()})
    results = (coarse, coherent, transfer, composed, composed_tuned, global_)
    write_json(out / WEIGHTS, made_of(out, [*locals_, *filter(None, results)]).to_json())
    return {"largest_gap": max(gaps.values()), **({"int8_accuracy": int8.accuracy} if int8 else {})}
