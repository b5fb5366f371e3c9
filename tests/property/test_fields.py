"""Where a composition claims something, it holds: on random networks with all that can break it (soundness)."""

import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schwarz.composition import compose
from schwarz.correspondence import Case as Claim
from schwarz.decomposition import decompose
from schwarz.task import Task
from schwarz.theory import verify
from tests.property.networks import Case, randomise
from tests.property.wild_networks import wild_cases


@settings(max_examples=150, deadline=None)
@given(wild_cases(), st.sampled_from([Task.CLASSIFICATION, Task.REGRESSION]))
def test_what_is_claimed_of_any_network_holds(case: Case, task: Task) -> None:
    """Features agree where (2.15) is claimed, pixels outside a box leave its field alone, exact is exact."""
    whole, partition = case.network.eval(), case.partition
    try:
        locals_ = decompose(whole, partition, case.shape, task)
    except ValueError as refused:
        event(f"refused: {str(refused)[:60]}")
        return
    torch.manual_seed(case.seed)
    randomise(*locals_)
    compose(whole, locals_, partition, task=task, input_shape=case.shape)
    x = torch.randn(3, *case.shape, dtype=torch.float64)
    verdict = verify(whole, locals_, partition, x, task=task)
    event(verdict.case)
    assert verdict.feature_gap < 1e-10
    assert verdict.field_gap == 0
    if verdict.case is Claim.EXACT:
        parts = torch.stack([local(box) for local, box in zip(locals_, partition.split(x), strict=True)])
        made = parts.sum(0) if task is Task.CLASSIFICATION else parts.mean(0)
        torch.testing.assert_close(whole(x), made, rtol=1e-10, atol=1e-10)
