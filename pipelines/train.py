"""The pipeline as a KFP graph. Its shape follows from strategies and pods; every number is a run-time parameter."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

from components.begin.component import begin
from components.compose.component import compose
from components.evaluate.component import evaluate
from components.export_onnx.component import export_onnx
from components.finish.component import finish
from components.prepare_data.component import prepare_data
from components.register.component import register
from components.report.component import report
from components.split.component import split
from components.train_coarse.component import train_coarse
from components.train_coherent.component import train_coherent, train_transfer
from components.train_global.component import train_global, tune
from components.train_local.component import train_local
from pipelines.lint import refuse
from pipelines.needs import Needs
from pipelines.placement import Placement
from schwarz.checks import pods_of
from schwarz.config import Config
from schwarz.config.cluster import Platform
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
        augment: str = config.augment.model_dump_json(),
        network: str = config.network.model_dump_json(),
        local: str = config.local.model_dump_json(),
        coarse: str = config.coarse.model_dump_json(),
        coherent: str = config.coherent.model_dump_json(),
        transfer: str = config.transfer.model_dump_json(),
        composition: str = config.compose.model_dump_json(),
        global_network: str = config.global_.model_dump_json(),
        tune_composed: str = config.tune.model_dump_json(),
        export: str = config.export.model_dump_json(),
        registry: str = config.register_.model_dump_json(),
    ) -> None:
        with _followed(place):
            preset = config.preset
            sections = {
                "data": data, "partition": partition, "augment": augment, "network": network, "local": local,
                "coarse": coarse, "coherent": coherent, "transfer": transfer, "composition": composition,
                "global_network": global_network, "tune": tune_composed, "export": export, "register": registry,
            }  # fmt: skip
            first = place.fresh(
                begin(preset=preset, uid=uid, seed=seed, strategies=json.dumps(config.strategies), **sections)
            )
            begun = first.outputs["begun"]
            images = place.task(prepare_data(seed=seed, data=data).after(first)).outputs["images"]
            seeded = {"seed": seed, "images": images}
            moved = {**seeded, "augment": augment}
            shards = place.task(split(**moved, data=data, partition=partition)).outputs["shards"]
            cut = {**moved, "shards": shards, "network": network}

            trained: dict[str, Any] = {}
            fleet: Callable[[], dict[str, Any]] = dict
            if needs.locals:
                with dsl.ParallelFor(list(range(pods)), name="local networks", parallelism=place.parallelism) as pod:
                    chosen = {"seed": seed, "network": network, "augment": augment, "local": local}
                    one = train_local(**chosen, pod=pod, pods=pods, shards=shards)
                    place.task(one, "local")
                # made anew for each task that takes it: KFP's compiler rewrites a Collected in place
                fleet = lambda: {"fleet": dsl.Collected(one.outputs["fleet"])}  # noqa: E731  # one of two
            if needs.coarse:
                net = place.task(
                    train_coarse(**moved, coarse=coarse, local=local, shards=shards, **fleet()), "coarse net"
                )
                trained["coarse"] = net.outputs["net"]
            if needs.coherent:
                model = place.task(train_coherent(**cut, coarse=coarse, coherent=coherent), "coherent")
                trained["coherent"] = model.outputs["model"]
            if needs.transfer:
                moved_on = train_transfer(**cut, local=local, coarse=coarse, transfer=transfer, **fleet())
                trained["transfer"] = place.task(moved_on, "transfer").outputs["model"]
            if needs.composed:
                model = place.task(compose(composition=composition, images=images, **fleet()))
                trained["composed"] = model.outputs["composed"]
            if needs.global_:
                model = place.task(train_global(**cut, global_network=global_network), "global")
                trained["global_network"] = model.outputs["model"]
            if needs.tuned:
                tuned = tune(**moved, tune=tune_composed, composed=trained["composed"], **fleet())
                model = place.task(tuned, "composed, tuned")
                trained["composed_tuned"] = model.outputs["model"]

            judged = place.task(evaluate(strategies=list(config.strategies), images=images, **fleet(), **trained))
            known = {"begun": begun, "images": images, "evaluation": judged.outputs["evaluation"]}
            onnx = place.task(export_onnx(preset=preset, export=export, **known, **fleet(), **trained))
            known["exported"] = onnx.outputs["exported"]
            entry = place.fresh(register(preset=preset, register=registry, **known))
            known |= {name: artifact for name, artifact in trained.items() if name == "composed"}
            place.fresh(
                report(preset=preset, seed=seed, **known, shards=shards, registered=entry.outputs["registered"])
            )

    return train


def _followed(place: Placement) -> "AbstractContextManager[Any]":
    """In a cluster the last task comes whatever became of the others: here the process beside the pipeline does."""
    return dsl.ExitHandler(place.fresh(finish()), name="run") if place.platform else nullcontext()


def _description(config: Config, pods: int) -> str:
    return (
        f"{config.network.family} on {config.data.name}, cut {config.partition.words}: local networks on {pods} pods, "
        f"compared as {', '.join(config.strategies)}."
    )


def compile_pipeline(config: Config, path: Path, platform: Platform | None = None) -> None:
    """Write the IR that `kfp run create -f` takes; the same configuration and cluster give the same bytes."""
    pods = pods_of(config, describe(project_root(), config.data.name))
    pipeline = build(config, pods, dsl.PIPELINE_JOB_ID_PLACEHOLDER, Placement.on_cluster(config, platform))
    with replacing(path) as temporary:
        compiler.Compiler().compile(pipeline, str(temporary))
        refuse(temporary.read_text(encoding="utf-8"), named=platform is not None)
