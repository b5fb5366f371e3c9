"""Networks that are no networks: random programs on tensors. What a composition claims of them holds."""

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from schwarz.correspondence import Correspondence, correspond
from schwarz.task import Task
from tests.property.claims import assert_claims_hold
from tests.property.networks import Example, exact_examples
from tests.property.programs import program_examples
from tests.property.wild_networks import wild_examples


@settings(max_examples=150, deadline=None)
@given(program_examples(), st.sampled_from([Task.CLASSIFICATION, Task.REGRESSION]))
def test_what_is_claimed_of_any_program_holds(example: Example, task: Task) -> None:
    assert_claims_hold(example, task)


def maps(found: Correspondence) -> list[list[list[int]]]:
    """Where every entry of every tensor goes, in every local network."""
    return [
        [index.flatten().tolist() for places in fit.index.values() for index in places]
        for fits in found.fits
        for fit in fits.values()
    ]


@settings(max_examples=80, deadline=None)
@given(program_examples() | exact_examples() | wild_examples())
def test_without_the_shape_of_an_input_composing_finds_the_same_maps_or_none(example: Example) -> None:
    try:
        told = correspond(example.network, example.partition, example.shape)
        guessed = correspond(example.network, example.partition)
    except ValueError:
        reject()
    assert guessed.case is told.case
    assert maps(guessed) == maps(told)
