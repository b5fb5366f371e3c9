"""The pipeline as a KFP graph. Its shape follows from strategies and pods; every number is a run-time parameter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

from components.begin.component import begin
from components.compose.component import compose
from components.evaluate.component import evaluate
from components.export_onnx.component import export_onnx
from components.prepare_data.component import prepare_data
from components.register.component import register
from components.report.component import report
from components.split.component import split
from components.train_coarse.component import train_coarse
from components.train_coherent.component import train_coherent, train_transfer
from components.train_global.component import train_global, tune
from components.train_local.component import train_local
from pipelines.needs import Needs
from pipelines.placement import Placement
from schwarz.checks import pods_of
from schwarz.config import Config
from schwarz.data import describe
from schwarz.files import replacing
from schwarz.runs import project_root


def build(config: Config, pods: int, uid: str, place: Placement) -> Any:
    """The pipeline of a configuration. `uid` names the run: KFP's own id on a cluster, the run folder's locally."""
    needs = Needs(config)

    @dsl.pipeline(name=f"schwarz-{config.preset}", description=_description(config, pods))
    def train(
        seed: int = config.seed,
        data: str = config.data.model_dump_json(),
        partition: str = config.partition.model_dump_json(),
        network: str = config.network.model_dump_json(),
        local: str = config.local.model_dump_json(),
        coarse: str = config.coarse.model_dump_json(),
        coherent: str = config.coherent.model_dump_json(),
        transfer: str = config.transfer.model_dump_json(),
        global_network: str = config.global_.model_dump_json(),
        tune_composed: str = config.tune.model_dump_json(),
        export: str = config.export.model_dump_json(),
        registry: str = config.register_.model_dump_json(),
    ) -> None:
        preset = config.preset
        first = place.fresh(begin(
            preset=preset, uid=uid, seed=seed, strategies=json.dumps(config.strategies), data=data, partition=partition,
            network=network, local=local, coarse=coarse, coherent=coherent, transfer=transfer,
            global_network=global_network, tune=tune_composed, export=export, register=registry,
        ))  # fmt: skip
        begun = first.outputs["begun"]
        images = place.task(prepare_data(seed=seed, data=data).after(first)).outputs["images"]
        common = {"seed": seed, "images": images}
        shards = place.task(split(**common, data=data, partition=partition)).outputs["shards"]
        trained: dict[str, Any] = {}
        fleet: Callable[[], dict[str, Any]] = dict
        if needs.locals:
            with dsl.ParallelFor(items=list(range(pods)), name="local networks") as pod:
                one = place.task(
                    train_local(seed=seed, network=network, local=local, pod=pod, pods=pods, shards=shards), "local"
                )

            # made anew for each task that takes it: KFP's compiler rewrites a Collected in place
            fleet = lambda: {"fleet": dsl.Collected(one.outputs["fleet"])}  # noqa: E731  # one of two, chosen here
        if needs.coarse:
            made = place.task(train_coarse(**common, coarse=coarse, **fleet()), "coarse net")
            trained["coarse"] = made.outputs["net"]
        if needs.coherent:
            made = place.task(
                train_coherent(**common, network=network, coarse=coarse, coherent=coherent, shards=shards), "coherent"
            )
            trained["coherent"] = made.outputs["model"]
        if needs.transfer:
            made = place.task(train_transfer(
                **common, network=network, coarse=coarse, transfer=transfer, shards=shards, **fleet()
            ), "transfer")  # fmt: skip
            trained["transfer"] = made.outputs["model"]
        if needs.composed:
            trained["composed"] = place.task(compose(**fleet())).outputs["composed"]
        if needs.global_:
            made = place.task(
                train_global(**common, network=network, global_network=global_network, shards=shards), "global"
            )
            trained["global_network"] = made.outputs["model"]
        if needs.tuned:
            made = place.task(tune(**common, tune=tune_composed, composed=trained["composed"]), "composed, tuned")
            trained["composed_tuned"] = made.outputs["model"]
        evaluation = place.task(
            evaluate(strategies=list(config.strategies), images=images, **fleet(), **trained)
        ).outputs["evaluation"]
        known = {"begun": begun, "images": images, "evaluation": evaluation}
        exported = place.task(export_onnx(preset=preset, export=export, **known, **fleet(), **trained)).outputs[
            "exported"
        ]
        registered = place.fresh(register(preset=preset, register=registry, **known, exported=exported)).outputs[
            "registered"
        ]
        place.fresh(report(preset=preset, seed=seed, **known, shards=shards, exported=exported, registered=registered))

    return train


def _description(config: Config, pods: int) -> str:
    grid = "x".join(map(str, config.partition.grid))
    return (
        f"{config.network.family} on {config.data.name}, cut {grid}: local networks on {pods} pods, "
        f"compared as {', '.join(config.strategies)}."
    )


def compile_pipeline(config: Config, path: Path) -> None:
    """Write the IR that `kfp run create -f` takes; the same configuration gives the same bytes."""
    pods = pods_of(config, describe(project_root(), config.data.name))
    pipeline = build(config, pods, dsl.PIPELINE_JOB_ID_PLACEHOLDER, Placement(cluster=True))
    with replacing(path) as temporary:
        compiler.Compiler().compile(pipeline, str(temporary))
