"""The table of a study in the documents' form, beside what they print: the cells of its rows, and Markdown."""

from collections.abc import Iterator, Sequence

from schwarz.study.findings import Finding, mean_of_locals
from schwarz.study.spread import Spread

HEAD = (
    "strategy", "epochs", "validation (training)", "+-", "test", "CPU-s", "apart", "at epochs", "at CPU-s",
    "printed", "difference",
)  # fmt: skip
TOP_5 = ("top 5", "printed")
"""Further columns, where they say something."""
MANY = 10
"""Of more classes than these one wants to know whether the right one was near."""
NOTES = (
    "Accuracies are means over the seeds, on validation images and, in brackets, on training images; +- is half of the "
    "95% interval of the mean on validation images, by Student's t-distribution.",
    "epochs: those of the local networks and of the strategy itself together.",
    "CPU-s: CPU-seconds with set-up: preparing the images, cutting them, reading, training, composing and verifying, "
    "writing; without what is the same for all, evaluating and exporting. apart: the same if each local network had a "
    "machine of its own.",
    "at epochs, at CPU-s: the validation accuracy that global had reached in as many epochs, or with as many "
    "CPU-seconds, as the strategy took in all; *: by then its training was over.",
)
PRINTED = (
    "printed: the document's figures on what it calls validation images; of CIFAR-10 these are the test images of the "
    "set. difference: our accuracy on validation images less the printed one."
)
NOTE_5 = "top 5: on how many validation images the right class was among the five likeliest; beside it what is printed."


def head(found: Sequence[Finding]) -> tuple[str, ...]:
    """The names of the columns for one preset."""
    return HEAD + _top_5(found)


def rows(found: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    """The table of one preset. Local networks of which nothing is printed share a row; of two printed figures the
    second has a row of its own."""
    places = len(_top_5(found))
    locals_ = [each for each in found if each.local]
    if locals_ and not any(each.printed for each in locals_):
        found = [mean_of_locals(locals_), *(each for each in found if not each.local)]
    whole = next((each for each in found if each.name == "global"), None)
    for each in found:
        own = (each.name, *_accuracies(each), *_costs(each), *_levels(each, whole))
        for number, printed in enumerate(_printed(each)):
            five = _five(each)[:places] if not number else ("",) * places
            yield (*(("",) * len(own) if number else own), *printed, *five)


def notes(found: Sequence[Finding]) -> list[str]:
    """What the columns mean."""
    return [*NOTES, *([PRINTED] if any(each.printed for each in found) else []), *([NOTE_5] if _top_5(found) else [])]


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A table whose first column holds words, and the others numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _accuracies(found: Finding) -> tuple[str, str, str, str]:
    validation = found.of("validation")
    half = validation and validation.half
    pair = f"{_figure(found, 'validation', '.4f')} ({_figure(found, 'train', '.4f')})"
    return _figure(found, "epochs", ".3g"), pair, "" if half is None else f"{half:.4f}", _figure(found, "test", ".4f")


def _costs(found: Finding) -> tuple[str, str]:
    return _seconds(found.of("cpu_s")), _seconds(found.of("apart_cpu_s"))


def _levels(found: Finding, whole: Finding | None) -> Iterator[str]:
    """`global` at the same epochs, and at the same cost."""
    for level, measure in (("global_at_its_epochs", "epochs"), ("global_at_its_cpu_s", "cpu_s")):
        text = _figure(found, level, ".4f")
        spent, end = found.of(measure), whole.of(measure) if whole else None
        yield f"{text}*" if text and spent and end and spent.mean > end.mean else text


def _printed(found: Finding) -> list[tuple[str, str]]:
    several = len(found.printed) > 1
    return [
        (each.text + (f", {each.table.partition(', ')[2]}" if several else ""), f"{found.difference(each):+.4f}")
        for each in found.printed
    ] or [("", "")]


def _top_5(found: Sequence[Finding]) -> tuple[str, ...]:
    """Those of the further columns that a table of these findings has."""
    if any(printed.top5 for each in found for printed in each.printed):
        return TOP_5
    return TOP_5[:1] if any(each.classes > MANY and each.of("top5") for each in found) else ()


def _five(found: Finding) -> tuple[str, str]:
    return _figure(found, "top5", ".4f"), next((each.text5 for each in found.printed), "")


def _seconds(found: Spread | None) -> str:
    return "" if found is None else f"{found.mean:,.0f}" if found.mean >= 100 else f"{found.mean:.1f}"


def _figure(found: Finding, name: str, form: str) -> str:
    known = found.of(name)
    return "" if known is None else f"{known.mean:{form}}"
