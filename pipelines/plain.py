"""The pipeline as a plain loop in one process, without KFP: the reference that the graph is compared with."""

from functools import partial
from pathlib import Path
from typing import Any

from pipelines.needs import Needs
from schwarz.runs import RunFolder


def run(run: RunFolder, pods: int) -> None:
    """Every step in turn, each result in the run folder; what is there already is reused."""
    from schwarz.steps.place import place_of
    from schwarz.steps.register import register
    from schwarz.steps.report import report

    c, registered = run.config, place_of(run.path, "register")
    known = make(run, pods)
    shown = {name: known.pop(name) for name in ("shards", "composed")}
    register(preset=c.preset, register_=c.register_, **known, out=registered)
    report(preset=c.preset, seed=c.seed, **known, **shown, registered=registered, out=place_of(run.path, "report"))


def make(run: RunFolder, pods: int) -> dict[str, Path | None]:
    """Every step from `begin` to the exported model, and so none that tells MLflow anything; the results that later
    steps take, by the name under which they take them."""
    from schwarz.steps.begin import begin
    from schwarz.steps.compose import compose
    from schwarz.steps.evaluate import evaluate
    from schwarz.steps.export_onnx import export_onnx
    from schwarz.steps.place import place_of
    from schwarz.steps.prepare_data import prepare_data
    from schwarz.steps.split import split
    from schwarz.steps.train_coarse import train_coarse
    from schwarz.steps.train_coherent import train_coherent, train_transfer
    from schwarz.steps.train_global import train_global, tune
    from schwarz.steps.train_local import train_local

    c, needs, at = run.config, Needs(run.config), partial(place_of, run.path)
    begun, images, shards = at("begin"), at("prepare_data"), at("split")
    evaluation, exported = at("evaluate"), at("export_onnx")
    locals_ = [at("train_local", str(pod)) for pod in range(pods)] if needs.locals else []
    trained = _trained(needs, at)
    moved = {"seed": c.seed, "images": images, "augment": c.augment}
    cut = {**moved, "shards": shards, "network": c.network}

    begin(config=c, uid=run.uid, out=begun)
    prepare_data(seed=c.seed, data=c.data, out=images)
    split(**moved, data=c.data, partition=c.partition, out=shards)
    for pod, out in enumerate(locals_):
        chosen = {"seed": c.seed, "network": c.network, "augment": c.augment, "local": c.local}
        train_local(**chosen, shards=shards, pod=pod, pods=pods, out=out)
    if out := trained["coarse"]:
        train_coarse(**moved, coarse=c.coarse, local=c.local, shards=shards, locals_=locals_, out=out)
    if out := trained["coherent"]:
        train_coherent(**cut, coarse=c.coarse, coherent=c.coherent, out=out)
    if out := trained["transfer"]:
        train_transfer(**cut, local=c.local, coarse=c.coarse, transfer=c.transfer, locals_=locals_, out=out)
    if out := trained["composed"]:
        compose(compose=c.compose, images=images, locals_=locals_, out=out)
    if out := trained["global_"]:
        train_global(**cut, global_=c.global_, out=out)
    if out := trained["composed_tuned"]:
        tune(**moved, tune=c.tune, composed=trained["composed"], locals_=locals_, out=out)

    known: dict[str, Any] = {"begun": begun, "images": images, "evaluation": evaluation}
    evaluate(strategies=list(c.strategies), images=images, locals_=locals_, **trained, out=evaluation)
    export_onnx(preset=c.preset, export_=c.export, **known, locals_=locals_, **trained, out=exported)
    return {**known, "shards": shards, "exported": exported, "composed": trained["composed"]}


def _trained(needs: Needs, at: "partial[Path]") -> dict[str, Path | None]:
    """Where the networks that are trained or composed as a whole go; None for those that the run does not need."""
    wanted = {
        "coarse": (needs.coarse, "train_coarse", ""),
        "coherent": (needs.coherent, "train_coherent", "scratch"),
        "transfer": (needs.transfer, "train_coherent", "transfer"),
        "composed": (needs.composed, "compose", ""),
        "global_": (needs.global_, "train_global", "random"),
        "composed_tuned": (needs.tuned, "train_global", "composed"),
    }
    return {name: at(step, part) if needed else None for name, (needed, step, part) in wanted.items()}
