"""Training on a CUDA device, as far as a processor can show it: a step that is recorded and replayed is the step."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from schwarz.cli.run import device_is_here
from schwarz.config import Training
from schwarz.errors import WrongInput
from schwarz.networks import initialise, vgg9
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.training.adam import Adam
from schwarz.training.device import chosen
from schwarz.training.engine import Engine
from schwarz.training.recorded import WARM, Recorded
from tests.unit.training.examples import CLASSES, SHAPE

STEPS = 8


def test_a_device_that_is_not_there_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # wherever this is tested
    with pytest.raises(WrongInput, match=r"place.device = 'cuda': .*`--place.device cpu` trains on the processor"):
        chosen("cuda")
    assert chosen("auto") == chosen("cpu") == torch.device("cpu")


def test_a_run_on_a_device_that_is_not_there_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # wherever this is tested
    with pytest.raises(WrongInput, match=r"place.device = 'cuda'"):
        device_is_here(override(preset("tiny"), {"place.device": "cuda"}))
    device_is_here(preset("tiny"))


def test_a_device_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # a device cannot be made for a test
    assert chosen("auto") == chosen("cuda") == torch.device("cuda")
    assert chosen("cpu") == torch.device("cpu")


def tape(work: Callable[[], Sequence[Tensor]]) -> Callable[[], Sequence[Tensor]]:
    """What stands for a CUDA graph on a processor: it does the work again, on the tensors that it was recorded with,
    and gives its answers where it always did."""
    answers: list[Tensor] = []

    def replay() -> Sequence[Tensor]:
        for place, answer in zip(answers, found := work(), strict=False):
            place.copy_(answer)
        answers.extend(found[len(answers) :])
        return answers

    return replay


def test_a_recording_is_made_for_every_set_of_shapes_after_some_calls():
    recordings: list[int] = []

    def record(work: Callable[[], Sequence[Tensor]]) -> Callable[[], Sequence[Tensor]]:
        recordings.append(1)
        return tape(work)

    double = Recorded(lambda x: (2 * x,), record)
    for number in range(WARM + 3):
        (found,) = double(torch.full((2,), float(number)))
        assert found.tolist() == [2.0 * number] * 2
        double(torch.ones(3))
    assert len(recordings) == 2


def test_what_was_answered_stays_when_the_next_is_asked():
    double = Recorded(lambda x: (2 * x,), tape)
    found = [double(torch.tensor([float(number)]))[0] for number in range(WARM + 4)]
    assert torch.cat(found).tolist() == [2.0 * number for number in range(WARM + 4)]


@pytest.mark.parametrize("members", [1, 3])
def test_a_recorded_step_of_a_fleet_is_the_step(members: int):
    generator = torch.Generator().manual_seed(0)
    plain, recorded = (
        Engine([initialise(vgg9(SHAPE, CLASSES, width=4), k).double() for k in range(members)], Training())
        for _ in range(2)
    )
    recorded.recorded = Recorded(recorded._step, tape)
    for step in range(STEPS):
        n = 8 if step % 2 else 7
        x = [torch.randn(n, *SHAPE, generator=generator, dtype=torch.float64) for _ in range(members)]
        y = [torch.randint(CLASSES, (n,), generator=generator) for _ in range(members)]
        rates = [1e-3 * (k + 1) / (step + 1) for k in range(members)]
        (losses, right), (same, also) = plain.step(x, y, rates), recorded.step(x, y, rates)
        assert torch.allclose(losses, same, atol=1e-6)
        assert right.tolist() == also.tolist()
    for k in range(members):
        for name, value in plain.weights(k).items():
            assert torch.allclose(value, recorded.weights(k)[name], atol=1e-7), name


@pytest.mark.parametrize("members", [1, 2])
def test_rates_in_a_tensor_are_rates(members: int):
    """A replayed step must not have decided anything by their values."""
    weights = [nn.Parameter(torch.arange(4.0 * members, dtype=torch.float64).reshape(members * 2, 2)) for _ in range(2)]
    listed, held = (Adam([weight], members, weight_decay=0.1) for weight in weights)
    for rate in (1e-2, 5e-3):
        rates = [rate] * members
        for adam, given in ((listed, rates), (held, torch.tensor(rates, dtype=torch.float64))):
            adam.parameters[0].grad = torch.ones_like(adam.parameters[0])
            adam.step(given)
    assert torch.allclose(weights[0], weights[1], atol=1e-12)
