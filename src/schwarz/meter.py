"""Watching one forward pass: which layer does what, and how many operations that is.

Equation 2.10 of document 3: FLOPs = HW (2 cin t1 t2 - 1) cout, each multiplication and each addition being one. HW are
the positions of the *output* (the same as the input's for stride 1 and padding `same`, the paper's case), cin the
channels of one group, t the taps along one to three axes; taps on padding count, as in the paper. A dense layer is the
case of one tap, at one position for each row of its input. A recurrent layer is, at every step, a dense layer for each
of its weight matrices. A transposed convolution and a product of activations have two operations for every product of
two numbers, but for the first addition of each output value, which is (2.10) again.

Not counted, as in the paper: biases, normalisation, activation functions, pooling, additions, softmax.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

RECURRENT = {"rnn_tanh", "rnn_relu", "lstm", "gru"}
CELLS = {"rnn_tanh_cell", "rnn_relu_cell", "lstm_cell", "gru_cell"}
WITH_WEIGHT = {"linear", "conv1d", "conv2d", "conv3d"}
TRANSPOSED = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
PRODUCTS = {"matmul", "mm", "bmm", "__matmul__"}
NO_RULE = {"multi_head_attention_forward", "scaled_dot_product_attention", "einsum", "tensordot", "bilinear", "addmm",
           "addbmm", "baddbmm", "addmv", "mv", "dot", "inner", "__rmatmul__"}  # fmt: skip
"""Operations that multiply matrices and are not counted: a layer that uses one is named."""


@dataclass(frozen=True)
class Layer:
    """One layer, or the operations of one kind that a module does by itself (a block's additions)."""

    name: str
    """Path of the module, '' for the whole."""
    kind: str
    """Class of the layer, or name of the operation."""
    shape: tuple[int, ...]
    """Of its output without the batch; () if it never ran."""
    parameters: int
    """Trainable ones; of weights that several layers share, those of the first only."""
    flops: int
    """Of all its calls."""
    activations: int
    """Values in the outputs of all its calls."""


@dataclass
class _Row:
    shape: tuple[int, ...] = ()
    parameters: int = 0
    flops: int = 0
    activations: int = 0


class Meter(TorchFunctionMode):
    """Watches every torch function of a forward pass, and in which module it is called.

    Not hooks on layers alone: they would miss a convolution or an addition that is written as a function.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.names = {each: name for name, each in module.named_modules()}
        self.running: list[nn.Module] = []
        self.rows: dict[tuple[str, str], _Row] = {}
        self.seen: set[int] = set()  # where the values lie that any operation took
        self.no_rule: dict[str, None] = {}

    def measure(self, x: Tensor) -> None:
        try:
            with (
                register_module_forward_pre_hook(lambda each, _: self.running.append(each)),
                register_module_forward_hook(lambda *_: self._leave()),
                self,
            ):
                self.module(x)
        except (RuntimeError, ValueError, IndexError) as fault:
            place = self.names.get(self.running[-1], "") if self.running else ""
            raise ValueError(
                f"the network does not take an input of shape {tuple(x.shape[1:])}, at layer {place!r}: "
                f"{str(fault).splitlines()[0]}. Give the shape of one input, channels first, without the batch."
            ) from None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        inputs = _tensors([*args, *kwargs.values()])
        outputs = _tensors(out)
        if inputs and outputs:
            self._note(func.__name__, args, kwargs, inputs, outputs)
        return out

    def layers(self) -> tuple[Layer, ...]:
        """The rows that cost anything, with the parameters of their modules."""
        rows = {key: _Row(**vars(row)) for key, row in self.rows.items()}
        named = {id(p) for p in self.module.parameters() if p.requires_grad}
        for each, name in self.names.items():
            own = [p for p in each.parameters(recurse=False) if id(p) in named]
            named -= {id(p) for p in own}
            if own:
                rows.setdefault((name, type(each).__name__), _Row()).parameters = sum(p.numel() for p in own)
        found = [Layer(name, kind, **vars(row)) for (name, kind), row in rows.items()]
        return tuple(layer for layer in found if layer.parameters or layer.flops or layer.activations)

    def uncounted(self) -> list[str]:
        """Layers whose operations are unknown: of no rule, or not seen although there are weights."""
        unused = {
            name.rpartition(".")[0]: None
            for name, p in self.module.named_parameters()
            if p.ndim > 1 and _place(p) not in self.seen
        }
        return [*self.no_rule, *(f"{name}: no operation takes its weights" for name in unused)]

    def _note(self, name: str, args: Any, kwargs: Any, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        module = self.running[-1] if self.running else self.module
        path = self.names.get(module, "")
        known = {_place(tensor) for tensor in inputs}
        self.seen |= known
        if name in NO_RULE:
            self.no_rule[f"{path}: {name} has no rule"] = None
        row = self.rows.setdefault((path, name if _has_layers(module) else type(module).__name__), _Row())
        row.shape = tuple(outputs[0].shape[1:])
        if name in RECURRENT | CELLS:
            row.flops += _recurrent_flops(module, outputs[0])
            row.activations += _states(name, outputs)
        else:
            row.flops += _flops(name, args, kwargs, outputs[0])
            dropped = "dropout" in name and not getattr(module, "inplace", False)  # makes a tensor in training only
            row.activations += sum(made.numel() for made in outputs if dropped or _place(made) not in known)

    def _leave(self) -> None:
        self.running.pop()


def _has_layers(module: nn.Module) -> bool:
    return next(module.children(), None) is not None


def _recurrent_flops(layer: nn.Module, out: Tensor) -> int:
    """Every weight matrix of a recurrent layer is multiplied by one vector at each step of each sequence."""
    steps = out.numel() // out.shape[-1]
    return steps * sum(len(w) * (2 * w.shape[1] - 1) for w in layer.parameters(recurse=False) if w.ndim == 2)


def _states(name: str, outputs: list[Tensor]) -> int:
    """Hidden states of all steps and all stacked layers; of a cell, what it puts out."""
    if name in CELLS:
        return sum(state.numel() for state in outputs)
    out, final = outputs[:2]  # final: [stacked layers and directions, batch, states]
    return out.numel() // out.shape[-1] * final.shape[0] * final.shape[-1]


def _flops(name: str, args: Any, kwargs: Any, out: Tensor) -> int:
    """Equation 2.10: two operations for every product, but for the first addition of each output value."""
    if name in WITH_WEIGHT:
        return out.numel() * (2 * _argument(args, kwargs, 1, "weight")[0].numel() - 1)
    if name in TRANSPOSED:
        x, weight = _argument(args, kwargs, 0, "input"), _argument(args, kwargs, 1, "weight")
        return 2 * x.numel() * weight[0].numel() - out.numel()
    if name in PRODUCTS:
        return out.numel() * (2 * _argument(args, kwargs, 0, "input").shape[-1] - 1)
    return 0


def _argument(args: Any, kwargs: Any, position: int, name: str) -> Tensor:
    return args[position] if len(args) > position else kwargs[name]


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in a value that is a tensor or holds some."""
    if isinstance(value, Tensor):
        return [value]
    return [tensor for each in value for tensor in _tensors(each)] if isinstance(value, list | tuple) else []


def _place(tensor: Tensor) -> int:
    """Where its values lie: the same for a view."""
    return tensor.untyped_storage().data_ptr()
