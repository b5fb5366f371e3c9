"""Networks that are no networks: random programs on tensors. What a composition claims of them holds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schwarz.task import Task
from tests.property.claims import assert_claims_hold
from tests.property.networks import Case
from tests.property.programs import program_cases


@settings(max_examples=150, deadline=None)
@given(program_cases(), st.sampled_from([Task.CLASSIFICATION, Task.REGRESSION]))
def test_what_is_claimed_of_any_program_holds(case: Case, task: Task) -> None:
    assert_claims_hold(case, task)
