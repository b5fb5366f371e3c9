"""Several networks of one shape beside each other, each in a CUDA stream of its own: what stacking is to many narrow
networks, this is to few wider ones, whose grouped convolutions a device may compute more slowly than separate ones."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from schwarz.coherent import Whole
from schwarz.training.stacking import Unstackable, laid_out, side_by_side


class Beside(nn.Module):
    """Inputs [batch, members * channels, ...] -> [members, batch, ...], what each answers.

    Its state has the names of a member's, each tensor theirs one after the other, as `stacked` has it; and a gradient
    is put together once, however many they are.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = len(networks)
        self.streams: list[torch.cuda.Stream] = []
        self.alone = (copy.deepcopy(networks[0]),)  # in a tuple it is no part of this module
        self.shapes = {name: value.shape for name, value in networks[0].state_dict().items()}
        states = [network.state_dict() for network in networks]
        if any({name: value.shape for name, value in state.items()} != self.shapes for state in states):
            raise Unstackable("networks of other shapes")
        if why := _unfit(networks[0]):
            raise Unstackable(why)
        parameters = {name for name, _ in networks[0].named_parameters()}
        for name in self.shapes:
            joined = torch.cat([state[name] for state in states]) if self.shapes[name] else states[0][name].clone()
            self._hold(name, nn.Parameter(joined) if name in parameters else joined)

    def forward(self, x: Tensor) -> Tensor:
        states, parts, answers = self._states(), x.chunk(self.members, 1), []
        if not x.is_cuda:
            return torch.stack([self._answer(*each) for each in zip(states, parts, strict=True)])
        here = torch.cuda.current_stream()
        self.streams = self.streams or [torch.cuda.Stream() for _ in states]
        for stream, state, part in zip(self.streams, states, parts, strict=True):
            stream.wait_stream(here)
            with torch.cuda.stream(stream):
                answers.append(self._answer(state, part))
        for stream, answer in zip(self.streams, answers, strict=True):
            here.wait_stream(stream)
            answer.record_stream(here)  # its memory is free for others once it was read here, not before
        return torch.stack(answers)

    def _answer(self, state: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(self.alone[0].train(self.training), state, (laid_out(x),))

    def _states(self) -> list[dict[str, Tensor]]:
        """Of each member, views; but for counts, which are one for all, so that only the first member counts on."""
        states: list[dict[str, Tensor]] = [{} for _ in range(self.members)]
        held = dict(self.named_parameters()) | dict(self.named_buffers())
        for name, shape in self.shapes.items():
            value = held[name]
            if not shape:
                parts = [value, *(value.clone() for _ in states[1:])]
            elif isinstance(value, nn.Parameter):
                parts = value.view(self.members, *shape).unbind()
            else:  # what a member writes into is not one of several outputs
                parts = [value.view(self.members, *shape)[k] for k in range(self.members)]
            for state, part in zip(states, parts, strict=True):
                state[name] = part
        return states

    def _hold(self, name: str, value: Tensor) -> None:
        """Keep a parameter or buffer under a name with dots."""
        *path, last = name.split(".")
        at: nn.Module = self
        for part in path:
            if part not in dict(at.named_children()):
                at.add_module(part, nn.Module())
            at = at.get_submodule(part)
        if isinstance(value, nn.Parameter):
            at.register_parameter(last, value)
        else:
            at.register_buffer(last, value)


def _unfit(network: nn.Module) -> str:
    """What of a network has no place beside others', if anything."""
    if len(list(network.named_parameters(remove_duplicate=False))) > len(list(network.parameters())):
        return "weights that two layers share"
    if {name for name, _ in network.named_buffers()} - set(network.state_dict()):
        return "buffers that are no part of its state"
    taken = {name for name, _ in network.named_children()} & {"members", "streams", "alone", "shapes"}
    return f"a layer called {taken.pop()!r}" if taken else ""


def beside(networks: Sequence[nn.Module]) -> nn.Module:
    """One network with the weights of all; images are seen by each through its own preprocessing."""
    if isinstance(networks[0], Whole):
        preprocesses, inner = zip(*((each.preprocess, each.network) for each in networks), strict=True)
        return Whole(side_by_side(preprocesses), Beside(inner))
    return Beside(networks)
