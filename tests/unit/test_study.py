"""Studies: what seeds say together, which cells there are, what a study leaves."""

import json
from math import inf, sqrt
from pathlib import Path
from xml.etree import ElementTree

import pytest

from schwarz.errors import WrongInput
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.study.cells import Cell, at_once, existing, plan
from schwarz.study.departures import departures
from schwarz.study.findings import findings
from schwarz.study.pages import begin, command_of, heading, page, write
from schwarz.study.spread import Spread, spread, t95, within
from schwarz.study.table import HEAD
from tests.unit.study_cells import finished

HEADING = "## tiny: seeds 0, 1 did not finish"


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (9, 2.26216), (10, 2.22814), (120, 1.97993)],
)  # fmt: skip
def test_the_t_of_few_seeds_is_that_of_the_printed_tables(freedom: int, t: float) -> None:
    assert t95(freedom) == pytest.approx(t, abs=6e-6 * t)


def test_with_one_degree_of_freedom_half_of_all_lies_between_minus_1_and_1() -> None:
    assert within(1.0, 1) == pytest.approx(0.5)  # Cauchy's distribution
    assert within(inf, 7) == pytest.approx(1.0)


def test_the_interval_of_a_mean_is_t_times_its_standard_error() -> None:
    three = Spread((1.0, 2.0, 3.0))
    assert three.mean == 2.0
    assert three.half == pytest.approx(4.302653 / sqrt(3))
    assert Spread((0.5, 0.5, 0.5)).half == 0.0


@pytest.mark.parametrize("values", [(0.7,), (0.5, 0.6666)])
def test_one_seed_and_two_have_a_mean_and_no_interval(values: tuple[float, ...]) -> None:
    assert Spread(values).half is None


def test_what_no_seed_knows_has_no_spread() -> None:
    assert spread([None, 0.7]) == Spread((0.7,))
    assert spread([None, None]) is None


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    """A study of document 1's CIFAR-10 with two seeds, which have ended."""
    made = plan([preset("cifar10-vgg9-2x2")], 2, tmp_path / "study")
    for cell, better in zip(made, (0.0, 0.02), strict=True):
        finished(cell, better)
    return made


def test_a_study_leaves_numbers_a_page_and_a_picture(cells: list[Cell], tmp_path: Path) -> None:
    (tmp_path / "study" / "cifar10-vgg9-2x2" / "1" / "results.json").unlink()
    write(tmp_path, cells, findings(cells), "schwarz study cifar10-vgg9-2x2 --seeds 2")
    told = json.loads((tmp_path / "study.json").read_text())
    coarse = told["presets"]["cifar10-vgg9-2x2"]["coarse"]
    assert coarse["validation"] == {"mean": 0.7, "half_of_95": None, "values": [0.7]}
    assert coarse["cpu_s"]["values"] == [31.0]
    assert [each["table"] for each in coarse["printed"]] == ["document 1, Table 1", "document 1, Table 2"]
    assert coarse["printed"][0]["difference"] == pytest.approx(0.7 - 0.7669)
    assert [(cell["seed"], cell["finished"]) for cell in told["cells"]] == [(0, True), (1, False)]
    assert [cell["config_digest"] for cell in told["cells"]] == [cell.run.config.science() for cell in cells]
    assert told["cells"][0]["commit"] == "a" * 40
    lines = (tmp_path / "study.md").read_text().splitlines()
    assert "## cifar10-vgg9-2x2: seed 0; seed 1 did not finish" in lines
    assert f"| {' | '.join(name for name in HEAD if name not in ('+-', 'at CPU-s'))} |" in lines
    assert "- processor a CPU" in lines
    drawn = ElementTree.parse(tmp_path / "study.svg").getroot()  # noqa: S314  # our own
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in (tmp_path / "study.svg").read_text()
    assert "#000001" not in (tmp_path / "study.svg").read_text()


def test_a_page_of_nothing_finished_says_so_and_explains_no_columns(tmp_path: Path) -> None:
    made = plan([preset("tiny")], 2, tmp_path)
    lines = page(made, findings(made), "schwarz study tiny")
    assert lines == ["# Study of nothing yet", "", "    schwarz study tiny", "", HEADING, "", ""]


def test_a_study_that_is_its_preset_in_another_place_says_nothing_of_it(tmp_path: Path) -> None:
    elsewhere = {"data.md5": "0.dir", "seed": 7, "strategies": ["global", "average"], "export.strategy": "global"}
    made = plan([override(preset("cifar10-vgg9-2x2"), elsewhere)], 1, tmp_path)
    finished(made[0], 0.0)
    assert departures("cifar10-vgg9-2x2", made) == []
    assert not any("not as the preset" in line for line in page(made, findings(made), "schwarz study"))


def test_a_study_that_is_not_its_preset_says_in_what(tmp_path: Path) -> None:
    changes = {"local.epochs": 24, "global.precision": "bfloat16", "data.limit": 9000}
    made = plan([override(preset("cifar10-vgg9-2x2"), changes)], 1, tmp_path)
    finished(made[0], 0.0, train=8100, validation=900)
    fields = "data.limit: 9000, not None; global.precision: 'bfloat16', not 'float32'; local.epochs: 24, not 150"
    assert f"not as the preset: {fields}" in page(made, findings(made), "schwarz study")


def test_a_study_of_other_images_than_those_of_its_data_set_says_so(tmp_path: Path) -> None:
    made = plan([preset("cifar10-vgg9-2x2")], 1, tmp_path)
    finished(made[0], 0.0, train=900, validation=100, shape=[3, 64, 64])
    (said,) = departures("cifar10-vgg9-2x2", made)
    published = "50,000 + 10,000 images of 3x32x32 in 10 classes"
    assert said == f"the data set cifar10: 1,000 + 10,000 images of 3x64x64 in 10 classes, not {published}"
    write(tmp_path, made, findings(made), "schwarz study cifar10-vgg9-2x2")
    assert json.loads((tmp_path / "study.json").read_text())["not_as_preset"] == {"cifar10-vgg9-2x2": [said]}


def test_where_validation_images_are_the_test_images_they_count_once(tmp_path: Path) -> None:
    changes = {"data.validation": "test", "coarse.source": "out-of-fold"}
    made = plan([override(preset("cifar10-vgg9-2x2"), changes)], 1, tmp_path)
    finished(made[0], 0.0, train=50000, validation=10000)
    fields = [text.partition(":")[0] for text in departures("cifar10-vgg9-2x2", made)]
    assert fields == ["coarse.source", "data.validation"]


def test_a_configuration_of_ones_own_is_compared_with_no_preset(tmp_path: Path) -> None:
    made = plan([override(preset("tiny"), {"preset": "mine", "local.epochs": 9})], 1, tmp_path)
    assert departures("mine", made) == []


def test_the_command_of_a_study_that_was_moved_is_known_without_the_folder_it_had(tmp_path: Path) -> None:
    made = plan([preset("tiny")], 1, tmp_path)
    begin(tmp_path, made, "schwarz study tiny --seeds 1 --strategies average global -o 'my runs'")
    assert command_of(tmp_path) == ["schwarz", "study", "tiny", "--seeds", "1", "--strategies", "average", "global"]


def test_a_study_whose_validation_images_are_the_test_images_says_so(tmp_path: Path) -> None:
    changes = {"data.validation": "test", "strategies": ["global", "average"]}
    made = plan([override(preset("tiny"), changes)], 1, tmp_path)
    assert heading("tiny", made).endswith("; the validation images are the test images")


def test_cells_are_run_seed_by_seed(tmp_path: Path) -> None:
    made = plan([override(preset("quickstart"), {"seed": 5}), override(preset("tiny"), {"seed": 5})], 2, tmp_path)
    assert [str(cell) for cell in made] == ["quickstart seed 5", "tiny seed 5", "quickstart seed 6", "tiny seed 6"]
    assert made[1].run.path == tmp_path / "tiny" / "5"


def test_as_many_cells_run_at_once_as_fill_the_cores(tmp_path: Path) -> None:
    made = plan([preset("tiny"), override(preset("quickstart"), {"place.workers": 2, "place.threads": 3})], 1, tmp_path)
    assert [at_once(made, cores) for cores in (4, 6, 11, 12)] == [1, 1, 1, 2]
    assert at_once(made[:1], 4) == 4


def test_a_study_is_added_to_and_gone_on_with(tmp_path: Path) -> None:
    first = plan([preset("tiny")], 1, tmp_path)
    assert [cell.run.uid for cell in plan([preset("tiny")], 2, tmp_path)][:1] == [first[0].run.uid]
    plan([preset("quickstart")], 1, tmp_path)
    assert [str(cell) for cell in plan([], 1, tmp_path)] == ["quickstart seed 0", "tiny seed 0", "tiny seed 1"]


def test_another_configuration_of_a_preset_is_refused_and_named_before_anything_is_made(tmp_path: Path) -> None:
    plan([preset("tiny")], 1, tmp_path)
    other = override(preset("tiny"), {"local.epochs": 7, "seed": 3})
    with pytest.raises(WrongInput, match=r"tiny with another configuration \(local.epochs: 1, not 7\)\. Choose"):
        plan([preset("quickstart"), other], 2, tmp_path)
    assert [str(cell) for cell in existing(tmp_path)] == ["tiny seed 0"]


def test_a_preset_named_twice_and_the_folder_of_a_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="'tiny' is named twice"):
        plan([preset("tiny"), preset("tiny")], 1, tmp_path)
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(WrongInput, match="is the folder of a run"):
        plan([preset("tiny")], 1, tmp_path)
