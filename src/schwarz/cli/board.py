"""What is known of a running pipeline: the journal's events folded into one state per task."""

from dataclasses import dataclass, field

from schwarz.journal import Event


@dataclass
class Task:
    """One step, or one part of a step that runs several times."""

    title: str
    started: float
    next: float = 0.0
    """When the training that goes on began, where it is not the step's first."""
    state: str = "running"  # then done, reused or failed
    done: float = 0
    total: float = 0
    base: tuple[float, float] | None = None  # time and amount of the first progress: what the rate is counted from
    seen: float = 0  # time of the latest progress
    wall_s: float = 0
    saved_s: float = 0
    metrics: dict[str, float] = field(default_factory=dict)
    failure: Event = field(default_factory=dict)

    def left_s(self, now: float) -> float | None:
        """Seconds to the end at the rate so far; None as long as there is no rate."""
        since, amount = self.base if self.base and self.done > self.base[1] else (self.next or self.started, 0)
        if not self.done or not self.total:
            return None
        rate = (self.seen - since) / (self.done - amount)
        return max(0.0, rate * (self.total - self.done) - (now - self.seen))


class Board:
    """All tasks of this attempt, in the order in which they began."""

    def __init__(self) -> None:
        self.tasks: dict[tuple[str, str], Task] = {}
        self.notes: list[str] = []

    def take(self, event: Event) -> Task | None:
        """Fold in one event; the task whose state it ended, if it did."""
        key = (event["step"], event["part"])
        if event["event"] == "note":
            if event["text"] not in self.notes:
                self.notes.append(event["text"])
            return None
        if event["event"] == "start" or key not in self.tasks:
            title = event.get("title") or " ".join(filter(None, key))
            self.tasks[key] = Task(title, event["t"])
        task = self.tasks[key]
        match event["event"]:
            case "progress":
                if task.total and (event["total"] != task.total or event["done"] < task.done):  # its next training
                    task.next, task.base = task.seen, None
                task.done, task.total, task.seen = event["done"], event["total"], event["t"]
                task.base = task.base or (event["t"], event["done"])
            case "metric":
                task.metrics = event["metrics"]
            case "done":
                task.state, task.wall_s, task.metrics = "done", event["wall_s"], event["metrics"]
            case "reused":
                task.state, task.saved_s = "reused", event["saved_s"]
            case "failed":
                task.state, task.failure = "failed", event
        return None if task.state == "running" else task

    def running(self) -> list[Task]:
        return [task for task in self.tasks.values() if task.state == "running"]

    def failed(self) -> list[Task]:
        """The tasks that failed, the first to fail first."""
        return sorted((t for t in self.tasks.values() if t.state == "failed"), key=lambda task: task.failure["t"])

    def reused(self) -> tuple[int, int, float]:
        """How many tasks were reused, of how many that ended, and the seconds that saved."""
        ended = [task for task in self.tasks.values() if task.state in ("done", "reused")]
        kept = [task for task in ended if task.state == "reused"]
        return len(kept), len(ended), sum(task.saved_s for task in kept)
