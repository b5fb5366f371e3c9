"""What each strategy reached for its CPU-seconds while it trained: what the chart of costs draws and its text says."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Curve = Mapping[str, Sequence[float]]  # a series that was not measured is empty


class Floor(NamedTuple):
    """What is reached without any knowledge of an image."""

    name: str
    share: float

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> "Floor":
        """By chance or, where that is more, by naming the largest class of the test images always."""
        chance, largest = results["chance"], results["largest_class"]
        return cls("largest class", largest) if largest > chance else cls("chance level", chance)

    def __str__(self) -> str:
        return f"{self.name} {self.share:.3f}"


class Course(NamedTuple):
    """Validation accuracy at the CPU-seconds spent so far; a single pair for a strategy without epochs of its own."""

    cpu_s: list[float]
    accuracy: list[float]


class Level(NamedTuple):
    """What `global` had reached on validation for what `composed_tuned` cost, or for a little less."""

    epochs: int  # of `global` that were over by then; 0: the first was not, and nothing was reached
    cpu_s: float
    reached: float  # by the best of them, as of any training the best epoch is kept
    ended: bool  # `global` as a whole cost no more


def follow(strategies: Mapping[str, Row], curves: Mapping[str, Curve]) -> dict[str, Course]:
    """The course of every strategy. What starts from trained networks begins at their cost.

    The line of `composed_tuned` begins with `composed`, at that one's accuracy.
    """
    found = {}
    for name, row in strategies.items():
        curve = curves.get(name, {"validation_accuracy": []})
        if not curve["validation_accuracy"]:
            found[name] = Course([row["cpu_s"]], [row["validation"]])
            continue
        start = row["cpu_s"] - curve["cpu_s"][-1]
        found[name] = Course([start + cpu_s for cpu_s in curve["cpu_s"]], list(curve["validation_accuracy"]))
    if {"composed", "composed_tuned"} <= found.keys():
        found["composed_tuned"] = Course(
            *(before + after for before, after in zip(found["composed"], found["composed_tuned"], strict=True))
        )
    return found


def level(strategies: Mapping[str, Row], curves: Mapping[str, Curve]) -> Level | None:
    """`global` when it had cost as much as `composed_tuned` did in the end; None where one of them is missing."""
    if "global" not in curves or "composed_tuned" not in strategies:
        return None
    cpu_s, accuracy = curves["global"]["cpu_s"], curves["global"]["validation_accuracy"]
    epochs = sum(spent <= strategies["composed_tuned"]["cpu_s"] for spent in cpu_s)
    if epochs == 0:
        return Level(0, 0.0, 0.0, False)
    return Level(epochs, cpu_s[epochs - 1], max(accuracy[:epochs]), epochs == len(cpu_s))
