"""What must hold of any network at all: whatever its composition claims."""

import torch
from hypothesis import event, reject
from torch import nn

from schwarz.cases import Case
from schwarz.composition import compose
from schwarz.correspondence import Activation, Correspondence, correspond, in_step
from schwarz.decomposition import decompose
from schwarz.task import Task
from schwarz.theory import verify
from tests.models import look_trained
from tests.property.networks import Example


def decomposed(example: Example, task: Task) -> list[nn.Module]:
    """The local networks, with weights as after training; an example that is refused is none."""
    try:
        locals_ = decompose(example.network, example.partition, example.shape, task)
    except ValueError as refused:
        event(f"refused: {refused}"[:60])
        reject()
    torch.manual_seed(example.seed)
    look_trained(*locals_, seed=example.seed)
    return locals_


def assert_claims_hold(example: Example, task: Task) -> None:
    """Features agree where (2.15) is claimed, pixels outside a box leave its field alone, exact is exact."""
    whole, partition = example.network.eval(), example.partition
    locals_ = decomposed(example, task)
    compose(whole, locals_, partition, task=task, input_shape=example.shape)
    x = torch.randn(3, *example.shape, dtype=torch.float64)
    assert_sizes(correspond(whole, partition, example.shape, task), locals_, x)
    verdict = verify(whole, locals_, partition, x, task=task)
    event(verdict.case)
    assert verdict.feature_gap < 1e-10
    assert verdict.field_gap == 0
    if verdict.case is Case.EXACT:
        parts = torch.stack([local(box) for local, box in zip(locals_, partition.split(x), strict=True)])
        made = parts.sum(0) if task is Task.CLASSIFICATION else parts.mean(0)
        torch.testing.assert_close(whole(x), made, rtol=1e-10, atol=1e-10)


def assert_sizes(found: Correspondence, locals_: list[nn.Module], x: torch.Tensor) -> None:
    """The walk knows the size of every tensor, of the global network and of each local one, but for the batch's."""
    with torch.no_grad():
        for node, whole, parts in in_step(found, locals_, x):
            for k, part in enumerate(parts):
                here = found.nodes[k][node]
                if isinstance(here, Activation) and here.shape[0] == found.images:
                    assert here.shape[1:] == whole.shape[1:]
                    assert here.local_shape[1:] == part.shape[1:]
