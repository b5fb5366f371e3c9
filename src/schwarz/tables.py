"""Tables 2.1, 2.2, 3.1 and 3.4 of document 3: what its networks cost, ours beside the published figures.

Ours are counted on the real modules, parameters exactly, operations by equation 2.10. Parameters agree with what is
printed to its last digit. Operations do not: most published figures are a few percent above (2.10). So many operations
more for each parameter as MORE says explain most of that. They have a column of their own: an observation.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from typing import NamedTuple

from torch import nn

from schwarz import published
from schwarz.cost import Cost, cost
from schwarz.decomposition import decompose
from schwarz.networks import BUILDERS, standard
from schwarz.partition import Partition
from schwarz.published import Printed

MILLION, BILLION = 10**6, 10**9
MORE = {"2.2": 5, "3.1": 5, "3.4": 3}
"""Operations for each parameter by which a table's figures exceed (2.10), roughly."""
LARGE, SMALL, MISPRINT = (3, 224, 224), (3, 32, 32), (3, 214, 214)
QUARTERS = Partition.grid(LARGE[1:], (2, 2))
CIFAR = (Partition.grid(SMALL[1:], (2, 2), overlap=4), Partition.grid(SMALL[1:], (2, 2)))
FOOD = (
    Partition.grid(LARGE[1:], (2, 2), overlap=28),
    Partition.grid(LARGE[1:], (2, 4), size=(96, 96), crop=(176, 224)),
    Partition.grid(LARGE[1:], (4, 4), size=(70, 70), crop=(176, 176)),
)
"""Section 3.1.2: 140x140; eight boxes that only the lost Figure 3.4 shows; 70x70 in the centred 176x176."""
NOTES = {
    "2.1": ("A local map of 7x7 is pooled to 3x3, its last pixels are left out: hence the kernel of layer 14.",),
    "2.2": (
        "The caption says 214x214. Only with 224x224 has VGG16 the printed parameters, and about its operations.",
        "Late stride: not the first unit of a stage halves the map but the last one of the stage before, by its 3x3 "
        "convolution. The parameters are the same; the operations are then those of the printed ResNets.",
        "Printed figures are often cut, not rounded (138.35M, 4.17M): 0.13 and 0.25 may stand for 0.138 and 0.259.",
        "Parameters of the ResNets as torchvision has them: no biases before BatchNorm, no running statistics.",
    ),
    "3.1": ("Parameters as Keras counts them: biases before BatchNorm and its running statistics are among them.",),
    "3.4": (
        "Figure 3.4 with its 8 boxes is not in our copy. We take 96x96 because squares of that size fit the printed "
        "operations: that they fit shows nothing. The parameters do not depend on it.",
        "Parameters as Keras counts them; as in Keras the first convolution of a unit has its stride.",
    ),
}


class Counted(NamedTuple):
    """A network of ours."""

    network: str
    input_shape: tuple[int, ...]
    cost: Cost


@dataclass(frozen=True)
class Figure:
    """One number of a table: ours, and the paper's as printed, in units."""

    ours: float
    printed: str
    unit: int = 1

    @property
    def paper(self) -> float:
        return float(self.printed) * self.unit

    @property
    def difference(self) -> float:
        """Ours above the paper's, as a share of the paper's."""
        return self.ours / self.paper - 1


@dataclass(frozen=True)
class Row:
    """One network of a table; or the ratio of two, which has no input."""

    network: str
    input_shape: tuple[int, ...] | None
    parameters: Figure
    flops: Figure
    """By equation 2.10."""
    flops_and_more: Figure
    """The same and some operations more for each parameter."""


@dataclass(frozen=True)
class Table:
    """Costs of networks beside the published ones."""

    number: str
    title: str
    rows: tuple[Row, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        return NOTES[self.number]

    @property
    def more(self) -> int:
        """Operations for each parameter in the last column."""
        return MORE[self.number]


@dataclass(frozen=True)
class LayerRow:
    """A layer of VGG16. Sizes as the paper writes them: pixels x channels; taps x channels in x channels out."""

    layer: str
    ours: tuple[str, ...]
    """Output of the global and of a local network, kernel of the global and of a local network."""
    printed: tuple[str, ...]


@dataclass(frozen=True)
class LayerTable:
    """Table 2.1."""

    number: str
    title: str
    rows: tuple[LayerRow, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        return NOTES[self.number]


@cache
def tables() -> tuple[LayerTable | Table, ...]:
    """The four tables, in the order of the document."""
    vgg = standard("vgg16")
    return table_2_1(vgg), table_2_2(vgg), table_3_1(), table_3_4()


def table_2_1(vgg: nn.Module) -> LayerTable:
    """The sizes of VGG16 and of one of its four local networks."""
    local = decompose(vgg, QUARTERS, LARGE)[0]
    sizes = zip(_sizes(vgg, LARGE), _sizes(local, _input(LARGE, QUARTERS)), strict=True)
    ours = [(output, local_output, kernel, local_kernel) for (output, kernel), (local_output, local_kernel) in sizes]
    rows = (LayerRow(layer, mine, theirs) for mine, (layer, theirs) in zip(ours, published.layers(), strict=True))
    return LayerTable("2.1", "the layers of VGG16 and of one of its 4 local networks", tuple(rows))


def table_2_2(vgg: nn.Module) -> Table:
    """VGG16, torchvision's ResNet50 and ResNet101, and one of four local networks of each."""
    rows: list[Row] = []
    for network, printed in published.FOUR_PARTS.items():
        module = vgg if network == "VGG16" else standard(network.lower())
        found = _counted(network, module, LARGE, [QUARTERS])
        rows += _rows("2.2", found, printed)
        if module is not vgg:
            late = [Counted(f"{name}, late stride", shape, late_stride(each)) for name, shape, each in found]
            rows += _rows("2.2", late, printed)
        at_214 = BUILDERS["vgg16"](MISPRINT, 1000) if module is vgg else module
        rows += _rows("2.2", _counted(network, at_214, MISPRINT), printed[:1])
    return Table("2.2", "global networks and one of their 4 local networks", tuple(rows))


def table_3_1() -> Table:
    """ResNets for CIFAR-10, one of four local networks with overlap, one without, and the ratios."""
    rows: list[Row] = []
    for network, printed in published.CIFAR.items():
        found = _counted(network, standard(network.lower()), SMALL, CIFAR)
        whole, *locals_ = _rows("3.1", found, printed)
        ratios = [_ratio(whole, *each) for each in zip(locals_, published.CIFAR_RATIOS[network], strict=True)]
        rows += [whole, *locals_, *ratios]
    return Table("3.1", "global networks for CIFAR-10 and one of their 4 local networks", tuple(rows))


def table_3_4() -> Table:
    """Keras' ResNets for Food-101, and one of 4, of 8 and of 16 local networks of each."""
    rows: list[Row] = []
    for network, printed in published.FOOD.items():
        rows += _rows("3.4", _counted(network, standard(f"{network.lower()}-keras"), LARGE, FOOD), printed)
    return Table("3.4", "global networks for Food-101 and one of their 4, 8 and 16 local networks", tuple(rows))


def late_stride(found: Cost) -> Cost:
    """The cost of torchvision's ResNet50 or ResNet101 if the last unit of a stage had the stride of the next stage.

    The 3-wide convolution of that unit, the one after it and the first of the next stage then have the positions of the
    next stage's map.
    """
    named = {layer.name: layer for layer in found.layers}
    moved = {}
    for stage in (2, 3, 4):
        first = f"features.stage{stage}.0.residual"
        *_, last = (
            name.removesuffix(".3") for name in named if re.match(rf".*stage{stage - 1}\.\d+\.residual\.3", name)
        )
        positions = prod(named[f"{first}.3"].shape[1:])
        for name in (f"{first}.0", f"{last}.3", f"{last}.6"):
            moved[name] = replace(named[name], flops=named[name].flops // prod(named[name].shape[1:]) * positions)
    return replace(found, layers=tuple(moved.get(layer.name, layer) for layer in found.layers))


def _counted(
    network: str, module: nn.Module, input_shape: tuple[int, ...], cuts: Sequence[Partition] = ()
) -> list[Counted]:
    """A global network and the first local network of each partition."""
    found = [Counted(network, input_shape, cost(module, input_shape))]
    for cut in cuts:
        local, shape = decompose(module, cut, input_shape)[0], _input(input_shape, cut)
        found.append(Counted(f"{network}, one of {len(cut)}", shape, cost(local, shape)))
    return found


def _rows(number: str, found: Sequence[Counted], printed: Sequence[Printed]) -> list[Row]:
    return [_row(number, *each) for each in zip(found, printed, strict=True)]


def _row(number: str, ours: Counted, printed: Printed) -> Row:
    parameters = ours.cost.parameters if number == "2.2" else ours.cost.keras_parameters
    return Row(
        ours.network,
        ours.input_shape,
        Figure(parameters, printed.parameters, MILLION),
        Figure(ours.cost.flops, printed.gflops, BILLION),
        Figure(ours.cost.flops + MORE[number] * parameters, printed.gflops, BILLION),
    )


def _ratio(whole: Row, local: Row, printed: Printed) -> Row:
    pixels = "x".join(map(str, (local.input_shape or ())[1:]))
    return Row(
        f"{whole.network}, ratio to {pixels}",
        None,
        Figure(whole.parameters.ours / local.parameters.ours, printed.parameters),
        Figure(whole.flops.ours / local.flops.ours, printed.gflops),
        Figure(whole.flops_and_more.ours / local.flops_and_more.ours, printed.gflops),
    )


def _input(input_shape: tuple[int, ...], cut: Partition) -> tuple[int, ...]:
    """What the first local network sees."""
    return (input_shape[0], *cut.boxes[0].shape)


def _sizes(module: nn.Module, input_shape: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Output and kernel of the input and of every layer with weights. A dense layer's kernel has the map it takes."""
    yield _written(input_shape), "-"
    before = input_shape
    for layer in cost(module, input_shape).layers:
        weight = getattr(module.get_submodule(layer.name), "weight", None)
        if weight is not None:
            taps = weight.shape[2:] or before[1:] or (1, 1)
            inputs = weight[0].numel() // prod(taps)
            yield _written(layer.shape), "x".join(map(str, (*taps, inputs, len(weight))))
        before = layer.shape


def _written(shape: tuple[int, ...]) -> str:
    """(C, H, W) as the paper writes it: HxWxC, of a vector 1x1xC."""
    return "x".join(map(str, (*(shape[1:] or (1, 1)), shape[0])))
