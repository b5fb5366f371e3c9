"""Training the members of a fleet: each with its own images, order, rate, best epoch and end.

Members of one shape are trained in step, stacked as one network (`stacking`); it makes no difference to any of them but
for rounding. A network by itself is a fleet of one.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from schwarz.config import Training
from schwarz.errors import Diverged, WrongSetting
from schwarz.images import Inputs, Labelled
from schwarz.seeds import derive
from schwarz.task import Task
from schwarz.training.checkpoints import Checkpoint, Checkpoints
from schwarz.training.choice import beside
from schwarz.training.device import clock, device
from schwarz.training.engine import Engine, State
from schwarz.training.epochs import epoch_of, steps_of
from schwarz.training.history import History, OnEpoch
from schwarz.training.member import Member
from schwarz.training.moments import Moments
from schwarz.training.rates import learning_rate
from schwarz.training.resident import resident
from schwarz.training.scores import judged
from schwarz.training.sums import Sums

RETRIES, ORDINALS = 3, ("", "the first retry", "the second retry", "the third retry")
"""How often a member that lost its loss goes on from its last good state, each time at half the rate."""


def fit(
    module: nn.Module, training: Training, train: Inputs, validation: Labelled | None, seed: int,
    on_epoch: OnEpoch = lambda epoch, figures: None, spent_s: float = 0.0, checkpoints: Checkpoints | None = None,
    task: Task | str = Task.CLASSIFICATION, start: Moments | None = None,
) -> History:  # fmt: skip
    """Train `module` in place; it ends in eval mode with its best epoch's weights, or its last one's where there is
    nothing to choose by.

    Classification: cross-entropy of the classes y, ints [n]. Regression: squared error of the targets y, floats
    [n, outputs]. Autoencoder: squared error of what the network sees, y is not read (`unlabelled`). `start`: what
    Adam's moments begin with.
    """
    member = Member(module, train, validation, seed, on_epoch, task=task, start=start, spent_s=spent_s)
    fit_in_step([member], training, checkpoints)
    return member.history


def fit_in_step(members: Sequence[Member], training: Training, checkpoints: Checkpoints | None = None) -> None:
    """Train members of one shape in place, each of them as `fit` would.

    With checkpoints it goes on where it was cut off, and a member that loses its loss goes on alone from the last good
    state, at half the rate.
    """
    together = Fleet(members, training, checkpoints)
    together.tell()
    for k in together.run():
        Fleet([members[k]], training, checkpoints and checkpoints.of(k)).run()
    for member in members:
        member.model.cpu().load_state_dict(member.kept)
        member.model.eval()


class Fleet:
    """Members in step: those that train still, and the engine that trains them."""

    def __init__(self, members: Sequence[Member], training: Training, checkpoints: Checkpoints | None) -> None:
        self.members, self.training, self.checkpoints = list(members), training, checkpoints
        self.steps, self.objective = steps_of(len(members[0].train), training), members[0].objective
        self.apart, self.sums = False, Sums.none(len(members))
        """Whether members may no longer share groups of convolutions; what an unfinished epoch has come to."""
        self.images = resident([member.train for member in members], device())
        found = checkpoints.newest() if checkpoints else None
        self.began = (found.epoch, found.step) if found else (0, 0)
        """After how many epochs, and steps of the next, it goes on."""
        if found is not None:
            self._restore(found)
        else:
            self.epoch, self.active, self.lost = 0, list(range(len(members))), list[int]()
            self.streams = beside(self.members, training)
            self.engine = self._engine(self.active)
            for place, member in enumerate(members):
                if member.start is not None:
                    self.engine.load(place, member.start.values, member.start.steps)
            self._keep()

    def tell(self) -> None:
        """What is gone on from, where that is not the beginning."""
        (epoch, step), damaged = self.began, self.checkpoints.damaged if self.checkpoints else []
        for path in damaged:
            self.members[0].on_note(f"{path} is damaged: passed over")
        if epoch or step:
            within = f" and {step} steps" if step else ""
            others = f", with {len(self.members) - 1} in step" if len(self.members) > 1 else ""
            self.members[0].on_note(f"goes on after epoch {epoch}{within}{others}")
        elif damaged:
            self.members[0].on_note("begins anew")

    @property
    def taken(self) -> int:
        """Steps behind Adam's moments."""
        start = self.members[0].start
        return self.epoch * self.steps + self.sums.steps + (0 if start is None else start.steps)

    def run(self) -> list[int]:
        """Train to the end; which members must go on alone."""
        while self.active:
            self._epoch()
        return self.lost

    def _epoch(self) -> None:
        """One epoch of all that are active; without those that lost their loss in it, or ended with it."""
        began, members = clock(), [self.members[k] for k in self.active]
        before_s = self.sums.spent_s
        with torch.random.fork_rng():
            self._train(members)
        losses, correct = self.sums.means()
        bad = [k for k, loss in zip(self.active, losses, strict=True) if not math.isfinite(loss)]
        if bad and not self._lose(bad, losses):
            return
        self.epoch, self.sums = self.epoch + 1, Sums.none(len(members))
        figures = [self.objective.told("train", *each) for each in zip(losses, correct, strict=True)]
        held = [member.validation for member in members if member.validation is not None]
        if held:
            figures = [told | more for told, more in zip(figures, judged(self.engine, held), strict=True)]
        share_s = (before_s + clock() - began) / len(members)
        for place, (k, member) in enumerate(zip(self.active, members, strict=True)):
            member.spent_s += share_s
            if k not in bad:
                moments = Moments(self.taken, self.engine.moments(place))
                member.add(self.engine.weights(place), moments, **figures[place])
        self._leave([k for k in self.active if k in bad or self.members[k].ended(self.training)])
        self._keep()

    def _train(self, members: Sequence[Member]) -> None:
        """The steps of an epoch, or those that are left of it."""
        epoch, began, spent_s = self.epoch + 1, clock(), self.sums.spent_s
        seeds, images = [member.seed for member in members], [self.images[k] for k in self.active]
        for x, y in epoch_of(images, self.training, seeds, epoch, first=self.sums.steps):
            step = self.sums.steps
            done = (self.epoch * self.steps + step) / (self.training.epochs * self.steps)
            rates = [
                member.rate * learning_rate(self.training, epoch, done, member.history.reached) for member in members
            ]
            torch.manual_seed(derive(seeds[0], "dropout", epoch, step))  # which is never stacked
            mean, right = self.engine.step(x, y, rates)
            if epoch == 1 and step == 0 and not mean.isfinite().all():
                raise WrongSetting(
                    f"the loss of the first step is {float(mean.sum())}, before the learning rate {rates[0]:g} could "
                    "matter: look for values in the images that are no numbers, or far too large"
                )
            self.sums = self.sums.and_(mean, right, len(y[0]), spent_s + clock() - began)
            if step + 1 < self.steps and self.checkpoints and self.checkpoints.due and self._sound():
                self._keep()

    def _sound(self) -> bool:
        """Whether all weights and losses are numbers: no state to go back to otherwise."""
        return bool(self.sums.losses.isfinite().all()) and all(
            bool(value.isfinite().all()) for value in self.engine.module.parameters()
        )

    def _lose(self, bad: list[int], losses: list[float]) -> bool:
        """What becomes of members whose loss is no number; whether the epoch counts for the others."""
        worst = self.members[bad[0]]
        became = f"the loss became {losses[self.active.index(bad[0])]} in epoch {self.epoch + 1}"
        rate = self.training.lr * worst.rate
        good = self.checkpoints.newest() if self.checkpoints else None
        if good is None or worst.retries == RETRIES:
            last = f", also at {rate:g}, {ORDINALS[worst.retries]}" if worst.retries else ""
            raise Diverged(self.training.lr, became + last)
        if self.engine.shares and len(self.active) > 1:  # who lost it shows where neighbours share nothing
            self.apart = True
            self._restore(good)
            return False
        for k in bad:
            again = f"from epoch {good.epoch} on again, at {rate / 2:g}"
            self.members[k].on_note(f"{became} at learning rate {rate:g}: {again}")
        if len(self.members) == 1:
            self._restore(good)
            worst.retries += 1
            self._keep()
            return False
        for k in bad:
            self._send_off(k, good)
        return True

    def _send_off(self, k: int, good: Checkpoint) -> None:
        """Leave what a member goes on from alone."""
        assert self.checkpoints is not None
        about = good.about["members"][k]
        alone = {f"0{name.removeprefix(str(k))}": value for name, value in good.tensors.items() if _owner(name) == k}
        sums = Sums.from_json(good.about["sums"]).of(good.about["active"].index(k))
        told = {
            "active": [0],
            "lost": [],
            "apart": True,
            "streams": False,
            "members": [{**about, "retries": about["retries"] + 1}],
        }
        told["sums"] = sums.to_json()
        self.checkpoints.of(k).write(Checkpoint(good.epoch, alone, told, sums.steps))
        self.lost.append(k)

    def _leave(self, gone: Sequence[int]) -> None:
        """The others go on without them."""
        if not gone:
            return
        states = {k: self.engine.state(place) for place, k in enumerate(self.active)}
        self.active = [k for k in self.active if k not in gone]
        self.sums = Sums.none(len(self.active))
        self._build(states)

    def _build(self, states: dict[int, State]) -> None:
        """An engine of those that are active, in these states."""
        if self.active:
            self.engine = self._engine(self.active)
            for place, k in enumerate(self.active):
                self.engine.load(place, states[k], self.taken)

    def _engine(self, active: Sequence[int]) -> Engine:
        return Engine([self.members[k].model for k in active], self.training, self.apart, self.objective, self.streams)

    def _keep(self) -> None:
        """A checkpoint of all members."""
        if self.checkpoints is None:
            return
        tensors: State = {}
        for k, member in enumerate(self.members):
            moments = {} if member.moments is None else member.moments.values
            tensors |= {f"{k}.best.{name}": value for name, value in member.kept.items()}
            tensors |= {f"{k}.moments.{name}": value for name, value in moments.items()}
        for place, k in enumerate(self.active):
            tensors |= {f"{k}.now.{name}": value for name, value in self.engine.state(place).items()}
        members = [member.to_json() for member in self.members]
        about = {"active": self.active, "lost": self.lost, "apart": self.apart, "members": members}
        about |= {"streams": self.streams, "sums": self.sums.to_json()}
        self.checkpoints.write(Checkpoint(self.epoch, tensors, about, self.sums.steps))

    def _restore(self, found: Checkpoint) -> None:
        """Go back, or on, to a checkpoint."""
        self.epoch, self.active, self.lost = found.epoch, list(found.about["active"]), list(found.about["lost"])
        self.apart, self.sums = self.apart or found.about["apart"], Sums.from_json(found.about["sums"])
        self.streams = found.about["streams"]
        for k, (member, about) in enumerate(zip(self.members, found.about["members"], strict=True)):
            member.history = History(**about["history"])
            member.spent_s, member.retries = about["spent_s"], about["retries"]
            member.kept = _of(found.tensors, f"{k}.best.")
            if about["moments"] is not None:
                member.moments = Moments(about["moments"], _of(found.tensors, f"{k}.moments."))
        self._build({k: _of(found.tensors, f"{k}.now.") for k in self.active})


def _of(tensors: State, prefix: str) -> State:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _owner(name: str) -> int:
    return int(name.partition(".")[0])
