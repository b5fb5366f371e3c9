"""Steps and scores of one network, or of several in step: stacked as one, or beside each other."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from schwarz.coherent import Whole
from schwarz.config import Training
from schwarz.task import Task
from schwarz.training.adam import Adam
from schwarz.training.beside import beside
from schwarz.training.device import device
from schwarz.training.objective import OBJECTIVES, Objective
from schwarz.training.recorded import Recorded, cuda_graph
from schwarz.training.stacking import laid_out, stacked

State = dict[str, Tensor]
"""Of one member: its weights by their names and, with `.first` and `.second` behind these, Adam's moments of them."""


class Engine:
    """Members of one shape; `Unstackable` where they cannot be one network."""

    def __init__(
        self,
        models: Sequence[nn.Module],
        training: Training,
        apart: bool = False,
        objective: Objective = OBJECTIVES[Task.CLASSIFICATION],
        streams: bool = False,
    ) -> None:
        """`apart`: no two members share a group of a convolution; `streams`: each is computed by itself, beside the
        others."""
        self.members, self.bfloat16, self.objective = len(models), training.precision == "bfloat16", objective
        self.device = device()
        self.module = self._joined(models, apart, streams).to(self.device)
        self.shares = any(getattr(part, "together", 1) > 1 for part in self.module.modules())
        """Whether a value that is no number would reach other members."""
        for parameter in self.module.parameters():
            parameter.data = laid_out(parameter.data)
        self.shapes = {name: value.shape for name, value in models[0].state_dict().items()}
        self.trained = [name for name, _ in self.module.named_parameters()]
        self.adam = Adam(list(self.module.parameters()), self.members, training.weight_decay)
        self.recorded = Recorded(self._step, cuda_graph) if self.device.type == "cuda" else None

    def _joined(self, models: Sequence[nn.Module], apart: bool, streams: bool) -> nn.Module:
        if len(models) == 1:
            return models[0]
        return beside(models) if streams else stacked(models, apart, self.bfloat16)

    def step(self, x: Sequence[Tensor], y: Sequence[Tensor], rates: Sequence[float]) -> tuple[Tensor, Tensor]:
        """One step of every member on its own batch [batch, C, ...] and classes or targets [batch, ...]; their mean
        losses before it, and how many answers of each were right."""
        self.module.train()
        whole, targets = self._whole(x), self._targets(y)
        if self.recorded is None:
            return self._step(whole, targets, rates)
        losses, right = self.recorded(whole, targets, torch.tensor(rates, device=self.device))
        return losses, right

    def _step(self, whole: Tensor, targets: Tensor, rates: Sequence[float] | Tensor) -> tuple[Tensor, Tensor]:
        self.module.zero_grad()
        answers, wanted = self._answers(whole), self._wanted(whole, targets)
        losses = self.objective.losses(answers, wanted)
        losses.sum().backward()
        self.adam.step(rates)
        return losses.detach(), self.objective.count(answers, wanted)

    @torch.inference_mode()
    def predict(self, x: Sequence[Tensor]) -> Tensor:
        """What the members answer in eval mode, [members, batch, ...]: scores [..., K], or values."""
        self.module.eval()
        return self._answers(self._whole(x))

    def wanted(self, x: Sequence[Tensor], y: Sequence[Tensor]) -> Tensor:
        """[members, batch, ...]: the classes or targets; of autoencoders the inputs, as they are behind a
        preprocessing."""
        return self._wanted(self._whole(x), self._targets(y)) if self.objective.of_itself else self._targets(y)

    def _wanted(self, whole: Tensor, targets: Tensor) -> Tensor:
        if not self.objective.of_itself:
            return targets
        seen = self.module.preprocess(whole) if isinstance(self.module, Whole) else whole
        return seen.reshape(len(seen), self.members, -1).transpose(0, 1)

    def _answers(self, whole: Tensor) -> Tensor:
        once = self.recorded is None  # a recording keeps no copies of weights from one step to the next
        with torch.autocast(whole.device.type, torch.bfloat16, enabled=self.bfloat16, cache_enabled=once):
            answers = self.module(whole)
        answers = answers.float() if self.bfloat16 else answers
        return answers[None] if self.members == 1 else answers

    def _whole(self, x: Sequence[Tensor]) -> Tensor:
        """The inputs of all members, side by side."""
        return laid_out(x[0] if self.members == 1 else torch.cat(list(x), 1)).to(self.device)

    def _targets(self, y: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(y)).to(self.device)

    def weights(self, k: int) -> State:
        """The weights of a member, as its own network names them: views."""
        return {name: self._part(value, name, k) for name, value in self.module.state_dict().items()}

    def moments(self, k: int) -> State:
        """Adam's moments of a member, by the names of its parameters and `.first` and `.second` behind these: views."""
        found: State = {}
        for name, first, second in zip(self.trained, self.adam.first, self.adam.second, strict=True):
            found |= {f"{name}.first": self._part(first, name, k), f"{name}.second": self._part(second, name, k)}
        return found

    def state(self, k: int) -> State:
        """All that the next step of a member depends on, but for the count of steps: views."""
        return self.weights(k) | self.moments(k)

    def load(self, k: int, state: State, steps: int) -> None:
        """Bring a member to a state, or to a part of it, after so many steps."""
        mine = self.state(k)
        for name, value in state.items():
            mine[name].copy_(value)
        for clock in self.adam.clock:
            clock.fill_(steps)

    def _part(self, tensor: Tensor, name: str, k: int) -> Tensor:
        """What belongs to a member; the count of batches belongs to all."""
        return tensor.view(self.members, *self.shapes[name])[k] if tensor.dim() else tensor
