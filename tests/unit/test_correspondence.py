"""Networks made to be composed wrongly: they are labelled or refused, none is called exact.

Every module here is run by its own forward, and so are its local networks: no number comes from the library's own walk.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from schwarz import Box, Case, Partition, compose, decompose
from tests.models import IMAGE, Network, headed
from tests.unit.hostile import (
    CODE,
    COLUMNS,
    CORNER,
    CROPPED,
    MEAN,
    ODD,
    OVERLAP,
    QUARTERS,
    ROW,
    ROWS,
    SERIES,
    Trial,
    at_end,
    coder,
    composed,
    on_maps,
)

WRONG: dict[str, Trial] = {
    # slices that take other positions of a box than of the image
    "every second position from an odd start": Trial(
        lambda: on_maps(lambda _, y: y[:, :, ::2, ::2], 8 * 49), ODD, layer="getitem"),
    "up to a number": Trial(lambda: on_maps(lambda _, y: y[:, :, :12, :12], 8 * 144), layer="getitem"),
    "from a number before the end": Trial(lambda: on_maps(lambda _, y: y[:, :, -10:, -10:], 8 * 100), layer="getitem"),
    "half of the map": Trial(lambda: on_maps(lambda _, y: y[..., : y.size(3) // 2], 8 * 98), layer="getitem"),
    "the last position": Trial(lambda: on_maps(lambda _, y: y[..., -1:, -1:], 8), layer="getitem"),
    "from a number before the end, then a layer": Trial(
        lambda: on_maps(lambda net, y: net.act(y[:, :, -10:, -10:]), 8 * 100, act=nn.Tanh()), layer="getitem"),
    # sizes are other numbers in a box
    "divided by a size": Trial(lambda: on_maps(lambda _, y: y / y.size(2)), layer="truediv"),
    "divided by the number of channels": Trial(lambda: on_maps(lambda _, y: y / y.shape[1] ** 0.5), layer="truediv"),
    # operands that are easy to overlook
    "a gate as a keyword": Trial(
        lambda: on_maps(lambda net, y: torch.mul(y, other=net.gate(y.mean((2, 3)))[:, :, None, None]),
                        gate=nn.Linear(8, 8)), layer="mul"),
    "one position that meets all": Trial(
        lambda: on_maps(lambda net, y: y * net.pool(y), pool=nn.AvgPool2d(14, ceil_mode=True)), CORNER, layer="pool"),
    "a gate in place whose result nobody takes": Trial(
        lambda: on_maps(lambda _, y: (y.mul_(y.mean((2, 3), keepdim=True)), y)[1]), layer="mul_"),
    "a shortcut around a convolution of joined channels": Trial(
        lambda: Network(lambda net, x: net.head(joined(net, net.conv(x)).flatten(1)), conv=nn.Conv2d(3, 8, 3),
                        more=nn.Conv2d(8, 8, 1), mix=nn.Conv2d(16, 16, 1), head=nn.Linear(16 * 196, 3)), layer="add"),
    "one layer that pads in a box and begins beside the map in another": Trial(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 5, 2, 2), nn.Flatten(), nn.Linear(8 * 64, 3)), ODD, layer="0"),
    # one box that is not the whole image
    "softmax over a row": Trial(lambda: on_maps(lambda _, y: y.softmax(3)), CORNER, layer="softmax"),
    "normalised features": Trial(lambda: on_maps(lambda _, y: F.normalize(y.flatten(1))), CORNER, layer="normalize"),
    # channels that several local networks hold, or places taken for channels
    "depthwise over overlapping features": Trial(
        lambda: Network(lambda net, x: net.head(net.conv(x.transpose(1, 2)).flatten(1)),
                        conv=nn.Conv1d(16, 16, 3, groups=16), head=nn.Linear(64, 3)), OVERLAP, SERIES, layer="conv"),
    "depthwise over rows of which one box has all": Trial(
        lambda: Network(lambda net, x: net.head(net.conv(x).flatten(1)), conv=nn.Conv1d(6, 6, 1, groups=6),
                        head=nn.Linear(96, 3)), ROWS, SERIES, layer="conv"),
    "a convolution over padded columns as channels": Trial(
        lambda: Network(lambda net, x: net.head(net.over(net.conv(x).permute(0, 3, 1, 2)).flatten(1)),
                        conv=nn.Conv2d(3, 8, 3, padding=1), over=nn.Conv2d(16, 8, 1), head=nn.Linear(8 * 8 * 16, 3)),
        COLUMNS, layer="conv"),
    "a dense layer over padded places": Trial(
        lambda: Network(lambda net, x: net.head(net.over(net.conv(x)).flatten(1)), conv=nn.Conv1d(6, 8, 3, padding=1),
                        over=nn.Linear(16, 6), head=nn.Linear(48, 3)), ROW, SERIES, layer="conv"),
    "outputs for every channel": Trial(
        lambda: Network(lambda net, x: net.head(net.conv(x)), conv=nn.Conv1d(6, 8, 3), head=nn.Linear(14, 3)),
        ROW, SERIES, layer="head"),
    "classes by groups": Trial(
        lambda: Network(lambda net, x: net.head(net.first(x)[..., None]).flatten(1), first=nn.Linear(16, 8),
                        head=nn.Conv1d(8, 8, 1, groups=8)), ROW, (16,), layer="head"),
    # what follows the output
    "a product of outputs": Trial(lambda: at_end(lambda n, y: n.one(y) * n.two(y)), layer="mul"),
    "a product of rectified outputs": Trial(
        lambda: at_end(lambda n, y: n.one(y).relu() * n.two(y).relu()), layer="relu"),
    "the larger output": Trial(lambda: at_end(lambda n, y: torch.maximum(n.one(y), n.two(y))), layer="maximum"),
    "a rectified output": Trial(lambda: at_end(lambda n, y: n.one(y).relu()), layer="relu"),
    "an output rectified in place": Trial(lambda: at_end(lambda n, y: F.relu(n.one(y), inplace=True)), layer="relu"),
    "an output plus one": Trial(lambda: at_end(lambda n, y: n.one(y) + 1), layer="add"),
    "one less an output": Trial(lambda: at_end(lambda n, y: 1 - n.one(y)), layer="sub"),
    "an output plus a size": Trial(lambda: at_end(lambda n, y: n.one(y) + y.shape[0]), layer="add"),
    "an output of the output": Trial(
        lambda: Network(lambda net, x: net.twice(net.twice(x)), twice=nn.Linear(16, 16)),
        Partition((16,), (Box(((0, 16),)),) * 2), (16,), layer="twice"),
    "a reconstruction of the reconstruction": Trial(
        lambda: Network(lambda net, x: net.twice(net.twice(x)), twice=nn.Linear(16, 16)), OVERLAP, (16,), task=CODE,
        layer="twice"),
    "a reconstruction with rows for columns": Trial(
        lambda: Network(lambda net, x: net.back(net.code_of(x.flatten(1))).view(x.shape).transpose(1, 2),
                        code_of=nn.Linear(256, 12), back=nn.Linear(12, 256)), QUARTERS, (16, 16), task=CODE,
        layer="transpose"),
    "a gate of each row": Trial(
        lambda: on_maps(lambda net, y: y * net.gate(y.mean(3, keepdim=True)).sigmoid(), gate=nn.Conv2d(8, 8, 1)),
        layer="mul"),
    "a squared output": Trial(lambda: at_end(lambda n, y: n.one(y) ** 2), layer="pow"),
    "the largest output": Trial(lambda: at_end(lambda n, y: n.one(y).amax(1, keepdim=True)), layer="amax"),
    "a normalised output": Trial(lambda: at_end(lambda n, y: F.normalize(n.one(y))), layer="normalize"),
    "an output joined with a rectified one": Trial(
        lambda: at_end(lambda n, y: torch.cat([n.one(y), n.two(y).relu()], 1)), layer="cat"),
    "something behind a softmax": Trial(lambda: at_end(lambda n, y: n.one(y).softmax(1) + 1), layer="add"),
    "a predicted share": Trial(lambda: at_end(lambda n, y: n.one(y).sigmoid()), task=MEAN, layer="sigmoid"),
    "a predicted distribution": Trial(lambda: at_end(lambda n, y: n.one(y).softmax(1)), task=MEAN, layer="softmax"),
    "a rounded prediction": Trial(
        lambda: at_end(lambda n, y: torch.div(n.one(y), 0.1, rounding_mode="floor")), task=MEAN, layer="div"),
    "pixels of several boxes behind a sigmoid": Trial(
        lambda: coder(torch.sigmoid), OVERLAP, (16,), task=CODE, layer="sigmoid"),
    "pixels of no box plus one": Trial(lambda: coder(lambda y: y + 1), CROPPED, (16,), task=CODE, layer="add"),
    "pixels of no box behind a sigmoid": Trial(
        lambda: coder(torch.sigmoid), CROPPED, (16,), task=CODE, layer="sigmoid"),
    # random in eval mode too
    "dropout that is never told to stop": Trial(
        lambda: on_maps(lambda _, y: F.dropout(y, 0.5)).eval(), layer="dropout"),
}  # fmt: skip


def joined(net: Any, y: Tensor) -> Tensor:
    z = torch.cat([y, net.more(y)], 1)
    return net.mix(z) + z


@pytest.mark.parametrize("trial", WRONG.values(), ids=WRONG)
def test_no_network_is_called_exact_that_is_not(trial: Trial):
    outcome = composed(trial)
    assert outcome.verdict.case is not Case.EXACT
    assert not outcome.verdict.exact
    assert trial.layer in [cause.layer for cause in outcome.verdict.causes], outcome.verdict.causes
    assert outcome.gap > 1e-4
    assert outcome.verdict.feature_gap < 1e-10
    assert outcome.verdict.field_gap == 0


def test_the_worst_that_a_layer_does_in_any_box_decides_the_case():
    verdict = composed(WRONG["one layer that pads in a box and begins beside the map in another"]).verdict
    assert verdict.case is Case.INITIALISATION
    assert ["would begin box 1" in cause.reason for cause in verdict.causes] == [True]


def test_a_group_across_networks_takes_what_is_in_it_and_no_more():
    whole: Any = Network(
        lambda net, x: net.head(net.mix(torch.cat([net.one(x), net.two(x)], 1)).flatten(1)), one=nn.Conv1d(6, 6, 1),
        two=nn.Conv1d(6, 6, 1), mix=nn.Conv1d(12, 12, 1, groups=3), head=nn.Linear(12 * 16, 3),
    )  # fmt: skip
    locals_ = decompose(whole, ROW, SERIES)
    for local in locals_:
        for parameter in local.parameters():
            nn.init.ones_(parameter)
    compose(whole, locals_, ROW)
    assert sorted(set(whole.mix.weight.flatten().tolist())) == [0, 1]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_an_even_window_pads_one_more_behind_than_before():
    network = headed(nn.Conv1d(6, 8, 4, padding="same"), nn.Tanh(), shape=SERIES)
    outcome = composed(Trial(lambda: network, ROW, SERIES))
    assert outcome.verdict.layers[0].fields == (((0, 6),), ((9, 16),))
    assert outcome.verdict.holds
    assert outcome.gap > 1e-4


def test_a_reflection_reaches_beyond_a_short_field():
    """Two convolutions leave positions 0 and 1 of the box's three; reflected by two, the first sees the third."""
    part = Partition((16,), (Box(((0, 4),)), Box(((8, 16),))))
    layers = [nn.Conv1d(6, 8, 3, padding=1), nn.Conv1d(8, 8, 3, padding=1), nn.ReflectionPad1d(2), nn.Conv1d(8, 8, 3)]
    verdict = composed(Trial(lambda: headed(*layers, shape=SERIES), part, SERIES)).verdict
    assert [layer.fields[0] for layer in verdict.layers[:4]] == [((0, 3),), ((0, 2),), ((2, 4),), ((0, 0),)]
    assert verdict.field_gap == 0
    assert verdict.holds


class Standardised(nn.Conv2d):
    """Weight standardisation, below `forward`."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # torch's name
        return super()._conv_forward(input, weight - weight.mean((1, 2, 3), keepdim=True), bias)


class Through(nn.Module):
    """Changes in place what a view of it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8 * 196, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        shown = y.flatten(1)
        y.mul_(y.mean((2, 3), keepdim=True))
        return self.head(shown)


REFUSED: dict[str, tuple[Callable[[], nn.Module], Partition, tuple[int, ...], str]] = {
    "a window over flattened places": (
        lambda: on_maps(lambda net, y: net.mix(y.flatten(2)), 8 * 194, mix=nn.Conv1d(8, 8, 3)), QUARTERS, IMAGE,
        "'mix' slides along an axis"),
    "a window over places that were flattened": (
        lambda: on_maps(lambda net, y: net.mix(y.flatten(2).relu().view(y.shape)), 8 * 144, mix=nn.Conv2d(8, 8, 3)),
        QUARTERS, IMAGE, "'mix' slides along an axis"),
    "a window over hidden features": (
        lambda: Network(lambda net, x: net.head(net.conv(net.first(x)[:, None]).flatten(1)), first=nn.Linear(16, 12),
                        conv=nn.Conv1d(1, 2, 3), head=nn.Linear(20, 3)), ROW, (16,), "'conv' slides along an axis"),
    "pooling over channels": (
        lambda: on_maps(lambda net, y: net.pool(y.permute(0, 2, 1, 3)), 4 * 7 * 14, pool=nn.MaxPool2d(2)),
        QUARTERS, IMAGE, "'pool' slides along an axis"),
    "blocks of pixels as channels": (
        lambda: Network(lambda net, x: net.head(net.conv(
            x.reshape(x.size(0), 3, x.size(2) // 2, 2, x.size(3) // 2, 2).permute(0, 1, 3, 5, 2, 4)
            .reshape(x.size(0), 12, x.size(2) // 2, x.size(3) // 2)).flatten(1)),
            conv=nn.Conv2d(12, 8, 3), head=nn.Linear(8 * 36, 3)), QUARTERS, IMAGE, "'conv' slides along an axis"),
    "channels padded for a shortcut": (
        lambda: on_maps(lambda _, y: F.pad(y, (0, 0, 0, 0, 2, 2)), 12 * 196), QUARTERS, IMAGE, "'pad' pads channels"),
    "a batch regrouped": (
        lambda: Network(lambda net, x: net.head(x.view(-1, 256)), head=nn.Linear(256, 3)), COLUMNS, (1, 16, 16),
        r"shape \[-1, 256\] does not fit"),
    "an axis that only a box has with one position": (
        lambda: Network(lambda net, x: net.head(net.conv(x).squeeze(2).flatten(1)), conv=nn.Conv2d(3, 8, 8),
                        head=nn.Linear(8 * 81, 3)), QUARTERS, IMAGE, "squeezes an axis that is 1 in box 0 alone"),
    "a padding that needs more of a box than there is": (
        lambda: on_maps(lambda net, y: net.more(net.pool(y)), 8 * 9, pool=nn.MaxPool2d(6),
                        more=nn.Conv2d(8, 8, 3, padding=1, stride=1, padding_mode="reflect")), QUARTERS, IMAGE,
        "too small"),
    "a weight that is made anew at each call": (
        lambda: nn.Sequential(Standardised(3, 8, 3), nn.Flatten(), nn.Linear(8 * 196, 3)), QUARTERS, IMAGE,
        "'0.weight' is a parameter that is used outside a layer"),
    "a buffer of the whole map": (
        lambda: on_maps(lambda net, y: y + net.norm.running_mean, norm=nn.BatchNorm1d(14)), QUARTERS, IMAGE,
        "joins 14 and 14 positions"),
    "a change that a view shows": (Through, QUARTERS, IMAGE, "'mul_' changes in place what 'flatten' shows too"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "part", "shape", "message"), REFUSED.values(), ids=REFUSED)
def test_what_no_index_map_describes_is_refused(make, part, shape, message):
    with pytest.raises(ValueError, match=message):
        decompose(make(), part, shape)
