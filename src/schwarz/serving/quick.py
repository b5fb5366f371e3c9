"""Which calls of a model take less than to hand them to a thread, and the answer back."""

QUICK_S = 0.0002
"""What takes less is computed where it arrives: for so long all others may be held up."""
SLOW = 3
"""So many in a row that take more than twice as long are no accident."""


class Quick:
    """Known by what was seen: a call of no more values than one that was quick is quick too."""

    def __init__(self) -> None:
        self.most, self._slow = 0, 0

    def learn(self, values: int, taken_s: float) -> None:
        """What a call of so many values took. A slow one counts where it was expected to be quick; one may have met a
        busy machine, or the quick one before it may have been luck."""
        if taken_s < QUICK_S:
            self.most, self._slow = max(self.most, values), 0
        elif values <= self.most and taken_s > 2 * QUICK_S:
            self._slow += 1
            if self._slow == SLOW:
                self.most, self._slow = values - 1, 0
