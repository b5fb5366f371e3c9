"""What is computed where it arrives: what was seen to be quick, for as long as it is."""

from schwarz.serving.quick import QUICK_S, SLOW, Quick


def test_of_a_large_call_that_was_quick_for_its_size_nothing_follows_for_a_small_one() -> None:
    """A layer's weights are read once for a batch of 64, and once for a single image."""
    seen = Quick()
    seen.learn(64 * 784, 64 * QUICK_S / 8)
    assert seen.most == 0
    seen.learn(784, QUICK_S / 2)
    seen.learn(2 * 784, QUICK_S / 2)
    seen.learn(784, QUICK_S / 2)
    assert seen.most == 2 * 784


def test_what_turns_out_to_be_slow_is_quick_no_more() -> None:
    """Once by luck is not for ever; and one slow call is not the end of it."""
    seen = Quick()
    seen.learn(8, QUICK_S / 2)
    for taken_s in (3 * QUICK_S, 3 * QUICK_S, QUICK_S / 2) * 3:
        seen.learn(8, taken_s)
        assert seen.most == 8
    for _ in range(SLOW):
        seen.learn(16, 9 * QUICK_S)  # nobody expected it to be quick
    assert seen.most == 8
    for _ in range(SLOW):
        seen.learn(4, 3 * QUICK_S)
    assert seen.most == 3
