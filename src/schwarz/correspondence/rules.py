"""Which rule serves which operation of torch, called as a layer, a function or a method.

What is not listed here is refused by name.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from schwarz.correspondence.layers import convolution, dense
from schwarz.correspondence.norms import BATCH_NORMS, INSTANCE_NORMS, batch_norm, group_norm, layer_norm, prelu
from schwarz.correspondence.operations import (
    adaptive_pooling,
    added,
    dropped,
    elementwise,
    enlarged,
    largest,
    over_classes,
    over_features,
    pooling,
    product,
    quotient,
    reduced,
    shuffled,
    softmax,
    squashed,
    unchanged,
    upsampling,
)
from schwarz.correspondence.recurrent import cell, recurrent
from schwarz.correspondence.shaping import (
    attribute,
    concatenated,
    flattened,
    item,
    padded,
    padding_layer,
    permuted,
    reshaped,
    size,
    squeezed,
    stacked,
    transposed,
    unflattened,
    unsqueezed,
)
from schwarz.correspondence.tracing import CELLS, CONVOLUTIONS, RECURRENT, TRANSPOSED, layer_of


def _named(*names: str) -> list[Any]:
    """A function of torch, its twin in torch.nn.functional and the method, as far as there are such."""
    both = [*names, *(f"{name}_" for name in names)]  # torch calls what works in place so
    found = [getattr(home, name, None) for name in both for home in (torch, F)]
    return [each for each in (*found, *both) if each is not None]


ACTIVATIONS = _named(
    "relu", "relu6", "elu", "selu", "celu", "gelu", "silu", "mish", "tanh", "leaky_relu", "softplus", "softsign",
    "hardtanh", "hardswish", "hardsigmoid", "tanhshrink", "softshrink", "hardshrink", "threshold",
)  # fmt: skip
ZERO_PADS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(ACTIVATIONS, elementwise),
    **dict.fromkeys(
        _named("maximum", "minimum", "abs", "exp", "log1p", "square", "sqrt", "sin", "cos", "clamp", "pow"), elementwise
    ),
    operator.pow: elementwise,
    **dict.fromkeys(
        [*_named("add", "sub", "subtract", "rsub", "neg"), operator.add, operator.sub, operator.neg, operator.iadd,
         operator.isub],
        added,
    ),
    **dict.fromkeys([*_named("mul", "multiply"), operator.mul, operator.imul], product),
    **dict.fromkeys([*_named("div", "divide", "true_divide"), operator.truediv, operator.itruediv], quotient),
    **dict.fromkeys(_named("sigmoid", "logsigmoid"), squashed),
    **dict.fromkeys(
        _named("clone", "contiguous", "detach", "to", "float", "double", "half", "bfloat16"),
        unchanged,
    ),
    **dict.fromkeys(_named("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"), dropped),
    **dict.fromkeys(_named("softmax", "log_softmax"), over_classes),
    **dict.fromkeys(_named("normalize"), over_features),
    **dict.fromkeys(_named("mean", "sum"), reduced),
    **dict.fromkeys(_named("amax", "amin"), largest),
    **dict.fromkeys(_named("reshape", "view"), reshaped),
    **dict.fromkeys(_named("flatten"), flattened),
    **dict.fromkeys(_named("permute"), permuted),
    **dict.fromkeys(_named("transpose", "swapaxes"), transposed),
    **dict.fromkeys(_named("unsqueeze"), unsqueezed),
    **dict.fromkeys(_named("squeeze"), squeezed),
    **dict.fromkeys(_named("cat", "concat", "concatenate"), concatenated),
    **dict.fromkeys(_named("stack"), stacked),
    **dict.fromkeys(_named("pad"), padded),
    **dict.fromkeys(_named("interpolate", "upsample"), enlarged),
    **dict.fromkeys(_named("size"), size),
    operator.getitem: item,
    getattr: attribute,
}  # fmt: skip
"""What functions and methods do."""


def _as_layer(kind: type[nn.Module], rule: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes what the layer of that kind takes."""
    return lambda walk, x, *args, **options: rule(walk, kind(*args, **options), x)


FUNCTIONS |= {
    getattr(F, f"{name}_pool{n}d"): _as_layer(getattr(nn, f"{kind}Pool{n}d"), rule)
    for n in (1, 2, 3)
    for name, kind, rule in (
        ("max", "Max", pooling),
        ("avg", "Avg", pooling),
        ("lp", "LP", pooling),
        ("adaptive_avg", "AdaptiveAvg", adaptive_pooling),
        ("adaptive_max", "AdaptiveMax", adaptive_pooling),
    )
}
FUNCTIONS |= {F.channel_shuffle: _as_layer(nn.ChannelShuffle, shuffled)}


def _plain(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A layer whose options make no difference to the rule."""
    return lambda walk, layer, *args, **options: rule(walk, *args, **options)


ACTIVATION = _plain(elementwise)
LAYERS: dict[type[nn.Module], Callable[..., Any]] = {
    **dict.fromkeys((*CONVOLUTIONS, *TRANSPOSED), convolution),
    **dict.fromkeys((*BATCH_NORMS, *INSTANCE_NORMS), batch_norm),
    **dict.fromkeys(RECURRENT, recurrent),
    **dict.fromkeys(CELLS, cell),
    nn.Linear: dense,
    nn.LayerNorm: layer_norm,
    nn.RMSNorm: layer_norm,
    nn.GroupNorm: group_norm,
    nn.PReLU: prelu,
    **dict.fromkeys(
        [nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
         nn.LPPool1d, nn.LPPool2d, nn.LPPool3d],
        pooling,
    ),
    **dict.fromkeys(
        [nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool1d,
         nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d],
        adaptive_pooling,
    ),
    **dict.fromkeys(
        [*ZERO_PADS, nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d, nn.ReplicationPad1d,
         nn.ReplicationPad2d, nn.ReplicationPad3d, nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d],
        padding_layer,
    ),
    nn.Upsample: upsampling,
    nn.ChannelShuffle: shuffled,
    **dict.fromkeys([nn.Softmax, nn.LogSoftmax, nn.Softmax2d], softmax),
    nn.Flatten: lambda walk, layer, x: flattened(walk, x, layer.start_dim, layer.end_dim),
    nn.Unflatten: unflattened,
    **dict.fromkeys(
        [nn.ReLU, nn.ReLU6, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.LeakyReLU,
         nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Tanhshrink,
         nn.Softshrink, nn.Hardshrink, nn.Threshold],
        ACTIVATION,
    ),
    **dict.fromkeys(
        [nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout],
        _plain(unchanged),
    ),
    **dict.fromkeys([nn.Sigmoid, nn.LogSigmoid], _plain(squashed)),
    nn.Softmin: _plain(over_features),
}  # fmt: skip
"""What layers do, those with weights first."""


def is_activation(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether an operation is an activation function, as a layer, a function or a method."""
    layer = layer_of(graph, node)
    return node.target in ACTIVATIONS if layer is None else LAYERS.get(type(layer)) is ACTIVATION
