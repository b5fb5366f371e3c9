"""What a compiled pipeline must hold to: KFP's compiler leaves faults behind that only show when a run is submitted.

Read back, both documents must be what KFP's server parses; every input that is read must be declared where it is read
and every output made by the task that is named; no value of a secret, and no image that may change under its name.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import yaml
from google.protobuf.json_format import ParseDict, ParseError
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from schwarz.config.cluster import tagged
from schwarz.errors import SchwarzError

SECRET = re.compile("SECRET|PASSWORD|TOKEN|ACCESS_KEY|CREDENTIAL")
"""What the environment variables are called whose values are nobody's business."""
LEAST = 8
"""Shorter values of such variables are words that may stand anywhere."""
Spec = dict[str, Any]
_pipeline: Any = pipeline_spec_pb2  # protobuf makes its classes at import, unseen by a type checker
_kubernetes: Any = kubernetes_executor_config_pb2


def refuse(text: str, named: bool) -> None:
    """SchwarzError naming everything that is wrong with a compiled pipeline; its image counts where it was `named`."""
    if found := [*faults(text), *(images(text) if named else ()), *secrets(text)]:
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        raise SchwarzError(f"the compiled pipeline is not sound: {'; '.join(found[:3])}{more}.")


def secrets(text: str) -> Iterator[str]:
    """Values of this process's own secrets, and secrets given as plain values."""
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= LEAST and value in text:
            yield f"it holds the value of ${name}: take that out of the configuration and of the platform file"
    for label, executor in _executors(_documents(text)[0]).items():
        for variable in executor["container"].get("env", ()):
            if SECRET.search(variable["name"]):
                yield f"{label}: {variable['name']} is given as a plain value"
    if match := re.search(r"\w+://[^/\s:@'\"]+:[^/\s@'\"]+@", text):
        yield f"an address holds a name and a password: {match[0].split(':')[0]}://...@"


def images(text: str) -> Iterator[str]:
    """Images whose name does not say which build they are."""
    names = {executor["container"]["image"] for executor in _executors(_documents(text)[0]).values()}
    for name in sorted(names):
        try:
            tagged(name)
        except ValueError as fault:
            yield str(fault)


def faults(text: str) -> Iterator[str]:
    """What KFP's server, or a run, would stumble over."""
    spec, *platforms = _documents(text)
    try:
        ParseDict(spec, _pipeline.PipelineSpec())
        for platform in platforms:
            ParseDict(platform, _pipeline.PlatformSpec())
            for config in _pods(platform).values():
                ParseDict(config, _kubernetes.KubernetesExecutorConfig())
    except ParseError as fault:
        yield f"KFP does not read it: {' '.join(str(fault).split())}"
        return
    graphs = [("root", spec["root"]), *spec["components"].items()]
    for name, graph in graphs:
        if "dag" in graph:
            yield from _graph(name, graph, spec["components"])
        elif graph["executorLabel"] not in _executors(spec):
            yield f"{name}: its executor {graph['executorLabel']} is missing"
        else:
            yield from _placeholders(name, graph, _executors(spec)[graph["executorLabel"]])
    for platform in platforms:
        for label in _pods(platform).keys() - _executors(spec).keys():
            yield f"{label}: its pod is described, but there is no such executor"


def _graph(name: str, graph: Spec, components: Spec) -> Iterator[str]:
    """What the tasks of one graph read that is not there."""
    tasks: Spec = graph["dag"]["tasks"]
    for called, task in tasks.items():
        place = f"{name}/{called}"
        if (kind := task["componentRef"]["name"]) not in components:
            yield f"{place}: its component {kind} is missing"
            continue
        for missing in set(task.get("dependentTasks", ())) - tasks.keys():
            yield f"{place}: waits for {missing}, which is missing"
        for group in ("parameters", "artifacts"):
            given: Spec = task.get("inputs", {}).get(group, {})
            for source in given.values():
                yield from _source(place, group, source, graph, components)
            yield from _signature(place, group, given, task, components[kind])
        yield from _items(place, task)
    for group in ("parameters", "artifacts"):
        for output in graph["dag"].get("outputs", {}).get(group, {}).values():
            for selected in _selectors(output):
                place = f"{name}: its output"
                yield from _made(place, group, selected["producerSubtask"], _key(selected), tasks, components)


def _source(place: str, group: str, source: Spec, graph: Spec, components: Spec) -> Iterator[str]:
    """An input of the surrounding graph that is not declared, an output that no task makes."""
    kind = "componentInputParameter" if group == "parameters" else "componentInputArtifact"
    made = source.get("taskOutputParameter") or source.get("taskOutputArtifact")
    if kind in source:
        if source[kind] not in graph.get("inputDefinitions", {}).get(group, {}):
            yield f"{place}: reads {source[kind]}, which the graph around it does not declare"
    elif made:
        yield from _made(place, group, made["producerTask"], _key(made), graph["dag"]["tasks"], components)


def _made(place: str, group: str, task: str, key: str, tasks: Spec, components: Spec) -> Iterator[str]:
    if task not in tasks:
        yield f"{place}: takes {key} from {task}, which is missing"
        return
    component = components.get(tasks[task]["componentRef"]["name"], {})
    if key not in component.get("outputDefinitions", {}).get(group, {}):
        yield f"{place}: takes {key} from {task}, which makes no such thing"


def _signature(place: str, group: str, given: Spec, task: Spec, component: Spec) -> Iterator[str]:
    """Inputs that a component does not know, and those that it is not given."""
    declared: Spec = component.get("inputDefinitions", {}).get(group, {})
    item = {iterator["itemInput"] for iterator in _iterators(task)}
    for unknown in given.keys() - declared.keys():
        yield f"{place}: is given {unknown}, which it does not know"
    needed = {key for key, about in declared.items() if not about.get("isOptional") and "defaultValue" not in about}
    for missing in needed - given.keys() - item:
        yield f"{place}: is not given {missing}"


def _items(place: str, task: Spec) -> Iterator[str]:
    """Items of a loop that the loop is not given."""
    given = {*task.get("inputs", {}).get("parameters", {}), *task.get("inputs", {}).get("artifacts", {})}
    for iterator in _iterators(task):
        read = iterator["items"].get("inputParameter") or iterator["items"].get("inputArtifact")
        if read and read not in given:
            yield f"{place}: goes over {read}, which it is not given"


def _placeholders(name: str, component: Spec, executor: Spec) -> Iterator[str]:
    """Parameters that a container's description reads and its component does not declare."""
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    for read in set(re.findall(r"\$\.inputs\.parameters\['([^']+)'\]", json.dumps(executor["container"]))):
        if read not in declared:
            yield f"{name}: its container reads {read}, which is not among its inputs"


def _key(made: Spec) -> str:
    """What an output of a task is called."""
    return made["outputParameterKey"] if "outputParameterKey" in made else made["outputArtifactKey"]


def _selectors(output: Spec) -> list[Spec]:
    """What an output of a graph is taken from."""
    several = output.get("artifactSelectors") or output.get("valueFromOneof", {}).get("parameterSelectors")
    return several or [output["valueFromParameter"]]


def _iterators(task: Spec) -> list[Spec]:
    return [task[kind] for kind in ("parameterIterator", "artifactIterator") if kind in task]


def _executors(spec: Spec) -> Spec:
    return spec["deploymentSpec"]["executors"]


def _pods(platform: Spec) -> Spec:
    return platform["platforms"]["kubernetes"].get("deploymentSpec", {}).get("executors", {})


def _documents(text: str) -> list[Spec]:
    return list(yaml.load_all(text, yaml.CSafeLoader))
