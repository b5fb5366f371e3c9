"""The table of a study in the documents' form, beside what they print: the cells of its rows, and Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schwarz.study.findings import Finding, mean_of_locals
from schwarz.study.spread import ENOUGH, Spread

HEAD = (
    "strategy", "epochs", "validation (training)", "+-", "test", "CPU-s", "apart", "at epochs", "at CPU-s",
    "printed", "difference",
)  # fmt: skip
TOP_5 = ("top 5", "printed")
"""Further columns, where they say something."""
SECOND = "  in "
"""So begins the name of a row that has what another table prints."""
MANY = 10
"""Of more classes than these one wants to know whether the right one was near."""
ACCURACIES = "Accuracies are means over the seeds, on validation images and, in brackets, on training images"
INTERVAL = "+- is half of the 95% interval of the mean on validation images, by Student's t-distribution."
NO_INTERVAL = f"an interval takes {ENOUGH} seeds at least."
ALWAYS = (
    "epochs: those of the local networks and of the strategy itself together.",
    "CPU-s: CPU-seconds with set-up: preparing the images, cutting them, reading, training, composing and verifying, "
    "writing; without what is the same for all, evaluating and exporting. apart: the same if each local network had a "
    "machine of its own.",
)
LEVELS = (
    "at epochs, at CPU-s: the validation accuracy that global had reached in as many epochs, or with as many "
    "CPU-seconds, as the strategy took in all"
)
OVER = "*: by then its training was over, with every seed."
PRINTED = (
    "printed: the document's figures on what it calls validation images; of CIFAR-10 these are the test images of the "
    "set. difference: our accuracy on validation images less the printed one."
)
TWICE = "in Table ...: what a second table prints of the strategy above it, whose own line has the first one's figures."
NOTE_5 = "top 5: on how many validation images the right class was among the five likeliest; beside it what is printed."

GROUPS = ((1, 5), (5, 9), (9, 11), (11, 13))
"""From which column on and before which one: accuracies, costs, what is printed, the five likeliest."""

Column = tuple[str, ...]
"""Its head, then a cell for every row."""


@dataclass(frozen=True)
class Table:
    """The columns of one preset that say something in some row."""

    names: Column
    groups: tuple[tuple[Column, ...], ...]
    """Of accuracies, of costs, of what is printed, of the five likeliest: where one says nothing it is empty."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(column for group in self.groups for column in group)

    def lines(self, columns: Sequence[Column] | None = None) -> list[tuple[str, ...]]:
        """The heads, then every row that says something in some of the columns, else of all, after its name."""
        top, *body = zip(self.names, *(self.columns if columns is None else columns), strict=True)
        return [top, *(row for row in body if any(row[1:]))]


def table(found: Sequence[Finding]) -> Table:
    """The table of one preset without what is empty."""
    columns = list(zip(head(found), *rows(found), strict=True))
    return Table(columns[0], tuple(tuple(c for c in columns[a:b] if any(c[1:])) for a, b in GROUPS))


def head(found: Sequence[Finding]) -> tuple[str, ...]:
    """The names of the columns for one preset."""
    return HEAD + _top_5(found)


def rows(found: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    """The table of one preset. Local networks of which nothing is printed share a row; of two printed figures the
    second has a row of its own, named by its table."""
    places = len(_top_5(found))
    locals_ = [each for each in found if each.local]
    if locals_ and not any(each.printed for each in locals_):
        found = [mean_of_locals(locals_), *(each for each in found if not each.local)]
    whole = next((each for each in found if each.name == "global"), None)
    for each in found:
        own = (each.name, *_accuracies(each), *_costs(each), *_levels(each, whole))
        (_, *first), *more = _printed(each) or [("", "", "")]
        yield (*own, *first, *_five(each)[:places])
        for where, *printed in more:
            yield (f"{SECOND}{where}", *("",) * (len(own) - 1), *printed, *("",) * places)


def notes(tables: Sequence[Table]) -> list[str]:
    """What the columns of these tables mean; nothing of those that none has."""
    columns = [column for each in tables for column in each.columns]
    shown = {column[0] for column in columns}
    over = any(cell.endswith("*") for column in columns for cell in column)
    twice = any(name.startswith(SECOND) for each in tables for name in each.names)
    return [
        *([f"{ACCURACIES}; {INTERVAL if '+-' in shown else NO_INTERVAL}", *ALWAYS] if tables else []),
        *([f"{LEVELS}{f'; {OVER}' if over else '.'}"] if shown & {"at epochs", "at CPU-s"} else []),
        *([PRINTED] if "difference" in shown else []),
        *([TWICE] if twice else []),
        *([NOTE_5] if TOP_5[0] in shown else []),
    ]


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
        yield f"{text}*" if text and whole and _over(found, whole, measure) else text


def _over(found: Finding, whole: Finding, measure: str) -> bool:
    """Whether with every seed a strategy took more than all the training of `global`."""
    seeds = zip(found.figures, whole.figures, strict=True)
    return all((ours[measure] or 0.0) > (its[measure] or 0.0) for ours, its in seeds)


def _printed(found: Finding) -> list[tuple[str, str, str]]:
    """The table, its figures and how far ours are above them."""
    return [(each.table.partition(", ")[2], each.text, f"{found.difference(each):+.4f}") for each in found.printed]


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
