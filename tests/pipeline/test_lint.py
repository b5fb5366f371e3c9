"""What KFP's compiler lets pass is caught before it is submitted: each fault is put into a sound pipeline and named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

from pipelines.lint import faults, images, refuse, secrets
from schwarz.errors import SchwarzError

SOUND = (Path(__file__).parent / "golden" / "volumes-gpu.yaml").read_text(encoding="utf-8")
Break = Callable[[Any, Any], None]


def broken(change: Break) -> str:
    """The sound pipeline with a change of its two documents."""
    spec, platform = yaml.safe_load_all(SOUND)
    change(spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"])
    return yaml.safe_dump_all([spec, platform])


def test_a_sound_pipeline_passes() -> None:
    assert [*faults(SOUND), *images(SOUND), *secrets(SOUND)] == []
    refuse(SOUND, named=True)


def tasks(spec: Any) -> Any:
    return spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]


def loop(spec: Any) -> Any:
    return spec["components"]["comp-for-loop-3"]


def container(spec: Any, step: str) -> Any:
    return spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]


FAULTS: dict[str, tuple[Break, str]] = {
    "a parameter that is not declared": (
        lambda spec, _: tasks(spec)["split"]["inputs"]["parameters"]["data"].update(componentInputParameter="date"),
        "comp-exit-handler-1/split: reads date, which the graph around it does not declare",
    ),
    "a parameter that the loop is not given": (
        lambda spec, _: loop(spec)["inputDefinitions"]["parameters"].pop("pipelinechannel--local"),
        "comp-for-loop-3/train-local: reads pipelinechannel--local, which the graph around it does not declare",
    ),
    "an artifact that the loop is not given": (
        lambda spec, _: loop(spec)["inputDefinitions"]["artifacts"].clear(),
        "comp-for-loop-3/train-local: reads pipelinechannel--split-shards, which the graph around it does not declare",
    ),
    "a loop without its item": (
        lambda spec, _: tasks(spec)["for-loop-3"].pop("parameterIterator"),
        "comp-exit-handler-1/for-loop-3: is not given pipelinechannel--loop-item-param-2",
    ),
    "an input that is left out": (
        lambda spec, _: tasks(spec)["prepare-data"]["inputs"]["parameters"].pop("data"),
        "comp-exit-handler-1/prepare-data: is not given data",
    ),
    "an input that nobody knows": (
        lambda spec, _: tasks(spec)["prepare-data"]["inputs"]["parameters"].update(
            date={"componentInputParameter": "data"}
        ),
        "comp-exit-handler-1/prepare-data: is given date, which it does not know",
    ),
    "a task that is missing": (
        lambda spec, _: tasks(spec).pop("split"),
        "comp-exit-handler-1/for-loop-3: waits for split, which is missing",
    ),
    "an output that no task makes": (
        lambda spec, _: spec["components"]["comp-split"]["outputDefinitions"]["artifacts"].pop("shards"),
        "comp-exit-handler-1/for-loop-3: takes shards from split, which makes no such thing",
    ),
    "an output of the loop that no task makes": (
        lambda spec, _: spec["components"]["comp-train-local"]["outputDefinitions"]["artifacts"].pop("fleet"),
        "comp-for-loop-3: its output: takes fleet from train-local, which makes no such thing",
    ),
    "a component that is missing": (
        lambda spec, _: spec["components"].pop("comp-split"),
        "comp-exit-handler-1/split: its component comp-split is missing",
    ),
    "an executor that is missing": (
        lambda spec, _: spec["deploymentSpec"]["executors"].pop("exec-split"),
        "comp-split: its executor exec-split is missing",
    ),
    "a resource that reads what the component does not get": (
        lambda spec, _: container(spec, "train-local")["resources"].update(
            resourceCpuLimit="{{$.inputs.parameters['pipelinechannel--cpu']}}"
        ),
        "comp-train-local: its container reads pipelinechannel--cpu, which is not among its inputs",
    ),
    "a pod of no step": (
        lambda _, pods: pods.update({"exec-nobody": {}}),
        "exec-nobody: its pod is described, but there is no such executor",
    ),
    "a misspelt field of a pod": (
        lambda _, pods: pods["exec-split"].update(imagePullPolicies="Always"),
        'Message type "kfp_kubernetes.KubernetesExecutorConfig" has no field named "imagePullPolicies"',
    ),
    "a misspelt field of a task": (
        lambda spec, _: tasks(spec)["split"].update(cacheOptions={}),
        'has no field named "cacheOptions"',
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_server_would_stumble_over_is_named(fault: str) -> None:
    change, told = FAULTS[fault]
    found = list(faults(broken(change)))
    assert any(told in line for line in found), found
    with pytest.raises(SchwarzError, match="the compiled pipeline is not sound"):
        refuse(broken(change), named=True)


@pytest.mark.parametrize("image", ["schwarz/python-train", "schwarz/python-train:latest", "host:5000/schwarz"])
def test_an_image_that_may_change_under_its_name_is_refused_where_a_cluster_is_named(image: str) -> None:
    text = broken(lambda spec, _: container(spec, "split").update(image=image))
    assert any(repr(image) in line for line in images(text))
    refuse(text, named=False)  # as before there were platform files


def test_secrets_are_found_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    word = "correct-horse-battery"
    plain = broken(
        lambda spec, _: container(spec, "split")["env"].append({"name": "AWS_SECRET_ACCESS_KEY", "value": word})
    )
    address = broken(
        lambda spec, _: container(spec, "split")["env"].append({"name": "X", "value": f"http://me:{word}@host"})
    )
    assert list(secrets(plain)) == ["exec-split: AWS_SECRET_ACCESS_KEY is given as a plain value"]
    assert list(secrets(address)) == ["an address holds a name and a password: http://...@"]
    monkeypatch.setenv("SOME_SERVICE_TOKEN", word)
    (first, _) = secrets(plain)
    assert "$SOME_SERVICE_TOKEN" in first
    for text in (plain, address):
        with pytest.raises(SchwarzError) as refused:
            refuse(text, named=True)
        assert word not in str(refused.value)


def test_the_fault_that_kfps_compiler_leaves_behind_is_caught(tmp_path: Path) -> None:
    """A parameter that only a resource setter uses, inside a loop: why resources are fixed when we compile."""

    @dsl.component(base_image="example.org/x:1", packages_to_install=[], install_kfp_package=False)
    def work(item: int):
        print(item)

    task: Any = work  # a decorator that a type checker does not see through

    @dsl.pipeline(name="loop")
    def pipeline(cpu: str = "2"):
        with dsl.ParallelFor([1, 2]) as item:
            task(item=item).set_cpu_limit(cpu)

    whole: Any = pipeline
    compiler.Compiler().compile(whole, str(tmp_path / "loop.yaml"))
    found = list(faults((tmp_path / "loop.yaml").read_text(encoding="utf-8")))
    assert any("cpu" in line for line in found), found
