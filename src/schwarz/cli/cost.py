"""`cost`: parameters, operations and memory of a preset's networks; the cost tables of document 3."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schwarz.cli.columns import by, columns, short
from schwarz.cli.options import ConfiguredCommand, Words, chosen, configured
from schwarz.errors import WrongInput

if TYPE_CHECKING:
    from schwarz.config import Config
    from schwarz.cost import Cost, Costs, Ratio
    from schwarz.meter import Layer

LEGEND = """
Operations of one forward pass of one image, by equation 2.10 of document 3. Activations: the outputs of all layers,
of one image. Optimizer: the parameters, their gradients, Adam's two moments. docs/cost.md says what is counted.
"""


@click.command(
    cls=ConfiguredCommand, examples=("schwarz cost quickstart", "schwarz cost tiny --layers --partition.overlap 4")
)
@configured
@click.option("--layers", is_flag=True, help="also every layer by itself")
@click.option("--tables", is_flag=True, help="instead: the cost tables of document 3, ours beside the printed ones")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def cost(preset: str | None, file: Path | None, changes: Words, layers: bool, tables: bool, as_json: bool) -> None:
    """Print what the networks of a preset cost.

    Parameters, operations and memory of the global network and of each local one, and the ratios of the two.
    """
    if tables and (preset or file or changes or layers):
        raise WrongInput("--tables prints the networks of document 3: give no PRESET and no other flag but --json.")
    import torch

    torch.set_num_threads(1)  # as training is; more only wait for each other in many small layers
    if tables:
        from schwarz.cli import cost_tables
        from schwarz.tables import tables as published

        print(json.dumps(cost_tables.as_json(published()), indent=1) if as_json else cost_tables.text(published()))
        return
    counted = count(chosen(preset, file, changes))
    print(json.dumps(counted.to_json(layers), indent=1) if as_json else counted.text(layers))


@dataclass(frozen=True)
class Counted:
    """The networks of a preset with their costs."""

    config: "Config"
    classes: int
    input_shape: tuple[int, ...]
    box_shapes: tuple[tuple[int, ...], ...]
    costs: "Costs"

    @property
    def groups(self) -> list[list[int]]:
        """The local networks that cost the same, together."""
        alike: dict[Any, list[int]] = {}
        for k, key in enumerate(zip(self.box_shapes, self.costs.locals, strict=True)):
            alike.setdefault(key, []).append(k)
        return list(alike.values())

    def to_json(self, layers: bool) -> dict[str, Any]:
        local = [
            {"boxes": group, **_network_json(self.costs.locals[group[0]], self.box_shapes[group[0]], layers),
             "ratio": asdict(self.costs.ratio(group[0]))}
            for group in self.groups
        ]  # fmt: skip
        return {
            "preset": self.config.preset,
            "family": self.config.network.family,
            "classes": self.classes,
            "global": _network_json(self.costs.global_, self.input_shape, layers),
            "local": local,
        }

    def text(self, layers: bool) -> str:
        head = f"{self.config.preset}: {self.config.network.family}, {self.classes} classes, "
        rows: list[tuple[str, ...]] = [("network", "input", "parameters", "GFLOPs", "activations", "optimizer")]
        rows.append(("global", by(self.input_shape), *_amounts(self.costs.global_)))
        for group in self.groups:
            local, name = self.costs.locals[group[0]], f"local {_numbers(group)}"
            rows.append((name, by(self.box_shapes[group[0]]), *_amounts(local)))
            ratio = self.costs.ratio(group[0])
            rows.append((f"  global / {name}", "", *_ratios(ratio), _ratios(ratio)[0]))
        lines = [f"{head}images cut {self.config.partition.words}", "", *columns(rows, 2), *LEGEND.splitlines()]
        missing = {reason: None for each in (self.costs.global_, *self.costs.locals) for reason in each.uncounted}
        lines += [f"Operations not counted: {reason}" for reason in missing]
        return "\n".join([*lines, *(self._layer_lines() if layers else ())])

    def _layer_lines(self) -> Iterator[str]:
        head = ("layer", "kind", "output", "parameters", "MFLOPs", "activations")
        rows = [
            (layer.name or "-", layer.kind, by(layer.shape), *_figures(layer)) for layer in self.costs.global_.layers
        ]
        yield from ("", "Layers of the global network; activations in values", "", *columns([head, *rows], 3))
        for group in self.groups:
            yield from ("", f"Layers of local {_numbers(group)}; ratio: the global network's to this one's", "")
            head = ("layer", "output", "parameters", "ratio", "MFLOPs", "ratio", "activations", "ratio")
            rows = [
                (local.name or "-", by(local.shape), *chain(*zip(_figures(local), _ratios(ratio), strict=True)))
                for _, local, ratio in self.costs.layer_ratios(group[0])
            ]
            yield from columns([head, *rows], 2)


def count(config: "Config") -> Counted:
    """Build and count the networks of a config, which is refused as `run` would refuse it."""
    from schwarz.cli.run import check
    from schwarz.partition import padded
    from schwarz.runs import project_root

    config, info, partition = check(config, project_root())
    from schwarz.cost import costs
    from schwarz.networks import build

    shape = padded(info.shape, config.data.pad)
    module = build(config.network, shape, len(info.classes))
    boxes = tuple((shape[0], *box.shape) for box in partition)
    return Counted(config, len(info.classes), shape, boxes, costs(module, partition, shape))


def _network_json(cost: "Cost", input_shape: tuple[int, ...], layers: bool) -> dict[str, Any]:
    names = ("parameters", "keras_parameters", "flops", "activations", "activation_bytes", "optimizer_bytes")
    figures = {name: getattr(cost, name) for name in (*names, "uncounted")}
    each = {"layers": [asdict(layer) for layer in cost.layers]} if layers else {}
    return {"input_shape": input_shape, **figures, **each}


def _amounts(cost: "Cost") -> tuple[str, ...]:
    memory = (f"{short(size / 1e6)} MB" for size in (cost.activation_bytes, cost.optimizer_bytes))
    return (f"{cost.parameters:,}", short(cost.flops / 1e9), *memory)


def _figures(layer: "Layer") -> tuple[str, str, str]:
    return f"{layer.parameters:,}", short(layer.flops / 1e6), f"{layer.activations:,}"


def _ratios(ratio: "Ratio") -> tuple[str, ...]:
    each = (ratio.parameters, ratio.flops, ratio.activations)
    return tuple("-" if value is None else f"{value:.1f}" for value in each)


def _numbers(group: list[int]) -> str:
    """0-3, or 0, 2, 5."""
    run = group == list(range(group[0], group[-1] + 1)) and len(group) > 1
    return f"{group[0]}-{group[-1]}" if run else ", ".join(map(str, group))
