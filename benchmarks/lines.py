"""The one form in which a benchmark reports: `name figure spread target ok|short`, exit status 1 if one is short."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev


@dataclass(frozen=True)
class Line:
    """A measured figure, its spread, and what it must reach: at least, above or at most `target`."""

    name: str
    values: Sequence[float]
    relation: str = ""
    target: float = 0.0
    middle: Callable[[Sequence[float]], float] = mean

    @property
    def figure(self) -> float:
        return self.middle(self.values)

    @property
    def ok(self) -> bool:
        reached = {">": self.figure > self.target, ">=": self.figure >= self.target, "<=": self.figure <= self.target}
        return reached.get(self.relation, True)

    def __str__(self) -> str:
        spread = stdev(self.values) if len(self.values) > 1 else 0.0
        wanted = f"{self.relation}{self.target:g}" if self.relation else "-"
        return f"{self.name:34s} {self.figure:9.4f} {spread:8.4f} {wanted:>8s} {'ok' if self.ok else 'short'}"


def report(lines: Sequence[Line]) -> int:
    """Print all lines; 0, or 1 if one is short."""
    print(f"{'name':34s} {'figure':>9s} {'spread':>8s} {'target':>8s}")
    for line in lines:
        print(line)
    return int(not all(line.ok for line in lines))
