"""The compiled pipeline: what `kfp run create -f` gets."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import ParseDict
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.train import compile_pipeline
from schwarz.config import STRATEGIES, Config
from schwarz.presets import PRESETS, preset
from schwarz.reading import override

messages: Any = pipeline_spec_pb2  # protobuf makes its classes at import, unseen by a type checker


def compiled(config: Config, path: Path) -> dict[str, Any]:
    compile_pipeline(config, path)
    spec, *platform = list(yaml.safe_load_all(path.read_text()))
    ParseDict(spec, messages.PipelineSpec())
    for document in platform:
        ParseDict(document, messages.PlatformSpec())
    return spec


def dags(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [spec["root"], *(component for component in spec["components"].values() if "dag" in component)]


def dangling(spec: dict[str, Any]) -> list[str]:
    """References to inputs that the surrounding graph does not declare: the compiler leaves such behind silently."""
    found = []
    for dag in dags(spec):
        declared = dag.get("inputDefinitions", {})
        known = {
            "componentInputParameter": declared.get("parameters", {}),
            "componentInputArtifact": declared.get("artifacts", {}),
        }
        for name, task in dag["dag"]["tasks"].items():
            inputs = task.get("inputs", {})
            for given in (*inputs.get("parameters", {}).values(), *inputs.get("artifacts", {}).values()):
                found += [
                    f"{name}: {given[kind]}" for kind in known if kind in given and given[kind] not in known[kind]
                ]
    return found


@pytest.mark.parametrize("name", [name for name in PRESETS if preset(name).data.name == "sample"])
def test_every_preset_of_the_sample_compiles_to_a_valid_graph(name: str, tmp_path: Path):
    spec = compiled(preset(name), tmp_path / "train.yaml")
    assert dangling(spec) == []
    assert spec["pipelineInfo"]["name"] == f"schwarz-{name}"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_alone_compiles_to_a_valid_graph(strategy: str, tmp_path: Path):
    assert dangling(compiled(override(preset("tiny"), {"strategies": [strategy]}), tmp_path / "train.yaml")) == []


def test_a_strategy_brings_only_what_it_is_made_of(tmp_path: Path):
    spec = compiled(override(preset("tiny"), {"strategies": ["global"]}), tmp_path / "train.yaml")
    tasks = set(spec["root"]["dag"]["tasks"])
    assert tasks == {"begin", "prepare-data", "split", "train-global", "evaluate", "export-onnx", "register", "report"}


def test_the_same_configuration_compiles_to_the_same_bytes(tmp_path: Path):
    for name in "ab":
        compile_pipeline(preset("quickstart"), tmp_path / f"{name}.yaml")
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()


def test_nothing_is_installed_when_a_pod_starts(tmp_path: Path):
    spec = compiled(preset("quickstart"), tmp_path / "train.yaml")
    executors = spec["deploymentSpec"]["executors"].values()
    assert len(executors) > 10  # a container for each step
    for executor in executors:
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_pods_fan_out_over_the_boxes_or_as_the_configuration_says(tmp_path: Path):
    def items(config: Config) -> str:
        spec = compiled(config, tmp_path / "train.yaml")
        (loop,) = [task for task in spec["root"]["dag"]["tasks"].values() if "parameterIterator" in task]
        return loop["parameterIterator"]["items"]["raw"]

    assert items(preset("tiny")) == "[0, 1, 2, 3]"
    assert items(override(preset("tiny"), {"place.pods": 2})) == "[0, 1]"


def test_steps_with_effects_outside_are_never_cached_and_the_others_are(tmp_path: Path):
    spec = compiled(preset("tiny"), tmp_path / "train.yaml")
    inside = [task for dag in dags(spec)[1:] for task in dag["dag"]["tasks"].values()]
    assert inside
    assert all(task["cachingOptions"]["enableCache"] for task in inside)
    cached = {
        name: task["cachingOptions"].get("enableCache", False)
        for name, task in spec["root"]["dag"]["tasks"].items()
        if "cachingOptions" in task
    }
    assert {name for name, is_cached in cached.items() if not is_cached} == {"begin", "register", "report"} | {
        name for name in cached if name.startswith("for-loop")
    }
