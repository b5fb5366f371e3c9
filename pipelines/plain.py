"""The pipeline as a plain loop in one process, without KFP: the reference that the graph is compared with."""

from pathlib import Path

from pipelines.needs import Needs
from schwarz.runs import RunFolder


def run(run: RunFolder, pods: int) -> None:
    """Every step in turn, each result in the run folder; what is there already is reused."""
    from schwarz.steps.begin import begin
    from schwarz.steps.compose import compose
    from schwarz.steps.evaluate import evaluate
    from schwarz.steps.export_onnx import export_onnx
    from schwarz.steps.frame import place_of
    from schwarz.steps.prepare_data import prepare_data
    from schwarz.steps.register import register
    from schwarz.steps.report import report
    from schwarz.steps.split import split
    from schwarz.steps.train_coarse import train_coarse
    from schwarz.steps.train_coherent import train_coherent, train_transfer
    from schwarz.steps.train_global import train_global, tune
    from schwarz.steps.train_local import train_local

    c, needs = run.config, Needs(run.config)

    def at(step: str, part: str = "") -> Path:
        return place_of(run.path, step, part)

    begin(config=c, uid=run.uid, out=(begun := at("begin")))
    prepare_data(seed=c.seed, data=c.data, out=(images := at("prepare_data")))
    split(
        seed=c.seed, data=c.data, partition=c.partition, network=c.network, images=images, out=(shards := at("split"))
    )
    locals_ = [at("train_local", str(pod)) for pod in range(pods)] if needs.locals else []
    for pod, out in enumerate(locals_):
        train_local(seed=c.seed, network=c.network, local=c.local, shards=shards, pod=pod, pods=pods, out=out)
    coarse = coherent = transfer = composed = composed_tuned = global_ = None
    if needs.coarse:
        train_coarse(seed=c.seed, coarse=c.coarse, images=images, locals_=locals_, out=(coarse := at("train_coarse")))
    if needs.coherent:
        coherent = at("train_coherent", "scratch")
        train_coherent(
            seed=c.seed,
            network=c.network,
            coarse=c.coarse,
            coherent=c.coherent,
            images=images,
            shards=shards,
            out=coherent,
        )
    if needs.transfer:
        transfer, trained = at("train_coherent", "transfer"), coarse if needs.coarse_start else None
        train_transfer(
            seed=c.seed,
            network=c.network,
            coarse=c.coarse,
            transfer=c.transfer,
            images=images,
            shards=shards,
            locals_=locals_,
            trained=trained,
            out=transfer,
        )
    if needs.composed:
        compose(locals_=locals_, out=(composed := at("compose")))
    if needs.global_:
        train_global(
            seed=c.seed,
            network=c.network,
            global_=c.global_,
            images=images,
            shards=shards,
            out=(global_ := at("train_global", "random")),
        )
    if needs.tuned:
        tune(
            seed=c.seed,
            tune=c.tune,
            images=images,
            composed=composed,
            out=(composed_tuned := at("train_global", "composed")),
        )
    networks = {
        "locals_": locals_, "coarse": coarse, "coherent": coherent, "transfer": transfer, "composed": composed,
        "composed_tuned": composed_tuned, "global_": global_,
    }  # fmt: skip
    evaluate(strategies=list(c.strategies), images=images, **networks, out=(evaluation := at("evaluate")))
    export_onnx(
        preset=c.preset,
        export_=c.export,
        begun=begun,
        images=images,
        evaluation=evaluation,
        **networks,
        out=(exported := at("export_onnx")),
    )
    register(
        preset=c.preset,
        register_=c.register_,
        begun=begun,
        images=images,
        evaluation=evaluation,
        exported=exported,
        out=(registered := at("register")),
    )
    report(
        preset=c.preset,
        seed=c.seed,
        begun=begun,
        images=images,
        shards=shards,
        evaluation=evaluation,
        exported=exported,
        registered=registered,
        out=at("report"),
    )
