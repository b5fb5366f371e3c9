"""A run in a few lines of Markdown: the description that MLflow shows."""

from collections.abc import Mapping
from typing import Any

from schwarz.tracking.tracked import Tracked

HEAD = "| strategy | test accuracy | 95% interval | validation | training CPU-s |\n|---|---|---|---|---|"


SAME_IMAGES = "The validation images are the test images: what was chosen by them flatters the test accuracy."


def always(results: Mapping[str, Any]) -> str:
    """Where it is more than chance, what to answer nothing but the largest class would reach; else ''."""
    largest = results.get("largest_class", 0)  # older runs do not say it
    return f"; always the largest class would be right {largest:.3f} of the time" if largest > results["chance"] else ""


def note(run: Tracked) -> str:
    """What was trained on what; the results, once there are some; where the files lie."""
    results = run.results()
    lines = [run.about.text, ""] if run.about else []
    lines += [_table(results) if results else "No results yet.", ""]
    if run.in_pods:
        return "\n".join([*lines, f"Kubeflow run: `{run.uid}`"])
    lines += [f"Run folder: `{run.path}`"]
    if results:
        lines += ["", f"Report: `{run.path / 'report.html'}`, also among the artifacts of this run."]
        lines += ["", f"Model: `{run.path / results['model']['file']}`"]
    return "\n".join(lines)


def _table(results: dict[str, Any]) -> str:
    rows = [
        f"| {f'**{name}**' if name == results['best'] else name} | {row['test']:.4f} | "
        f"{row['low']:.4f} to {row['high']:.4f} | {row['validation']:.4f} | {row['cpu_s']:.1f} |"
        for name, row in results["strategies"].items()
    ]
    chance = f"Chance level {results['chance']:.3f}{always(results)}. In bold the best on validation images."
    same = ["", SAME_IMAGES] if results["data"]["validation_is_test"] else []
    return "\n".join([HEAD, *rows, "", chance, *same])
