"""The table of a study and what is said of speed, worked out by hand."""

import json
from pathlib import Path

import pytest

from schwarz.presets import preset
from schwarz.reading import override
from schwarz.study.cells import Cell, plan
from schwarz.study.findings import findings
from schwarz.study.speed import speed, speeds
from schwarz.study.table import HEAD, NOTE_5, head, markdown, notes, rows, table
from tests.unit.study_cells import STEPS, finished, row, three_seeds, wrote


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    return three_seeds(tmp_path)


def test_the_table_has_the_documents_form_and_both_figures_where_they_disagree(cells: list[Cell]) -> None:
    (found,) = findings(cells).values()
    told = {cells[0]: cells[1:] for cells in rows(found)}
    assert list(told) == ["local, mean of 2", "global", "average", "coarse", "  in Table 2"]
    # validation, training, half of an interval of three values 0.01 apart: 4.3027 * 0.01 / sqrt(3)
    assert told["global"][:5] == ("3", "0.7600 (0.8500)", "0.0248", "0.7400", "103")
    # set-up of 23 CPU-seconds and 3 + 45: within its second epoch at 68, within none at 26
    assert told["average"] == (
        *("2", "0.6100 (0.7000)", "0.0248", "0.6100", "26.0", "17.0", "0.7600", ""), "0.6745 (0.7081)", "-0.0645",
    )  # fmt: skip
    assert told["coarse"][-2:] == ("0.7669 (0.8071)", "-0.0569")
    assert told["  in Table 2"][-2:] == ("0.7999 (0.8663)", "-0.0899")
    assert told["local, mean of 2"][:4] == ("2", "0.5100 (0.6000)", "0.0248", "0.5000")


def test_columns_that_say_nothing_are_left_out_and_not_explained(cells: list[Cell]) -> None:
    (found,) = findings(cells[:2]).values()
    whole = table(found)
    # two seeds have no interval; no strategy took what an epoch of global takes
    assert whole.lines()[0] == tuple(name for name in HEAD if name not in ("+-", "at CPU-s"))
    said = " ".join(notes([whole]))
    assert "an interval takes 3 seeds at least" in said
    assert "in Table ...: what a second table prints" in said
    assert "*: by then" not in said
    without = table([each for each in found if each.local])
    assert without.lines()[0] == ("strategy", "epochs", "validation (training)", "test")
    assert not [note for note in notes([without]) if note.startswith(("at epochs", "printed", "in Table"))]
    assert notes([]) == []


def test_groups_of_columns_have_the_rows_that_say_something_in_them(cells: list[Cell]) -> None:
    (found,) = findings(cells).values()
    whole = table(found)
    measured, printed = ([row[0] for row in whole.lines(whole.groups[n])][1:] for n in (0, 2))
    assert measured == ["local, mean of 2", "global", "average", "coarse"]
    assert printed == ["global", "average", "coarse", "  in Table 2"]
    assert whole.groups[3] == ()


def test_what_took_longer_than_global_with_every_seed_is_marked(cells: list[Cell]) -> None:
    for cell in cells[1:]:
        wrote(cell.run.path, "train_coarse", 300.0, 1.0)
    (found,) = findings(cells).values()
    coarse = next(row for row in rows(found) if row[0] == "coarse")
    assert coarse[HEAD.index("CPU-s")] == "228"  # on the average far more than the 103 of global, but not with seed 0
    assert coarse[HEAD.index("at CPU-s")] == "0.7650"
    for cell in cells:
        wrote(cell.run.path, "train_coarse", 90.0, 1.0)
    (found,) = findings(cells).values()
    coarse = next(row for row in rows(found) if row[0] == "coarse")
    assert coarse[HEAD.index("at CPU-s")] == "0.7600*"
    assert coarse[HEAD.index("at epochs")] == "0.7600"


def test_local_networks_of_which_something_is_printed_have_rows_of_their_own(tmp_path: Path) -> None:
    made = plan([preset("cifar10-resnet32-2x2")], 1, tmp_path)
    finished(made[0], 0.0)
    (found,) = findings(made).values()
    lines = list(rows(found))
    assert [cells[0] for cells in lines] == ["local 0", "local 1", "global", "average", "coarse"]
    assert [cells[3] for cells in lines] == [""] * 5  # one seed has no interval
    assert lines[1][-2:] == ("0.6818", f"{0.5 - 0.6818:+.4f}")


def test_an_epoch_of_the_global_network_is_compared_with_one_of_all_local_ones_and_of_the_longest(
    cells: list[Cell],
) -> None:
    (found,) = findings(cells).values()
    measured = speed(found, preset("cifar10-vgg9-2x2"))
    assert measured
    assert measured.together == pytest.approx((80 / 3) / (18 / 2))
    assert measured.apart == pytest.approx((80 / 3) / (10 / 2))


def test_a_transfer_that_pretrained_is_found_with_the_epochs_and_cost_of_its_own_networks(cells: list[Cell]) -> None:
    run = cells[0].run
    results = run.results() or {}
    results["strategies"]["transfer"] = row(0.8, 0.9, 0.8, 15.0)
    results["curves"]["transfer"] = {"epoch": [1, 2, 3]}
    (run.path / "results.json").write_text(json.dumps(results))
    wrote(run.path, "train_coherent/transfer", *STEPS["train_coherent/transfer"])
    (run.steps / "train_coherent/transfer/network.json").write_text('{"pretrain": 150}')
    (found,) = findings(cells[:1]).values()
    (transfer,) = (each for each in found if each.name == "transfer")
    assert (transfer.figures[0]["epochs"], transfer.figures[0]["cpu_s"]) == (153, 3 + 2 + 20)


def told(cells: list[Cell], name: str) -> str:
    """What is said of speed where a preset has these figures."""
    (found,) = findings(cells).values()
    return str(speed(found, preset(name)))


def test_the_times_beside_ours_are_those_of_images_moved_or_not_as_ours_were(tmp_path: Path) -> None:
    name, said = "cifar10-resnet32-2x2-batch128", []
    for shift in (3, 0):
        made = plan([override(preset(name), {"augment.flip": False, "augment.shift": shift})], 1, tmp_path / str(shift))
        finished(made[0], 0.0)
        said.append(str(speeds(made, findings(made))[name]))
    assert said[0].endswith("472 s and, for the local networks, 181 s: that is 2.61 times as much.")
    assert said[1].endswith("461 s and, for the local networks, 170 s: that is 2.71 times as much.")


def test_times_on_one_gpu_are_told_beside_those_of_all_local_networks_together(cells: list[Cell]) -> None:
    said = told(cells, "food101-resnet50-2x2")
    one = "10 epochs on 1 GPU, 2723 s and, for the local networks, 1347 s: that is 2.02 times as much."
    four = "10 epochs on 4 GPUs, 2227 s and, for the local networks, 427 s: that is 5.22 times as much."
    assert f"Beside the first figure: Document 3, Table 3.4 prints, of {one} Document 3, Table" in said
    assert said.endswith(four)
    assert "prints" not in told(cells, "cifar10-vgg9-2x2")


@pytest.mark.parametrize("name", ["chestct-vgg9-4x4x2", "adrenal3d-vgg9-2x2x1"])
def test_what_document_2_says_of_time_in_3d_stands_beside_ours_as_its_own(cells: list[Cell], name: str) -> None:
    assert told(cells, name).endswith(
        "alone. Document 2 prints a factor of almost 23 for training on its chest CT scans, with its networks."
    )
    (found,) = findings(cells).values()
    measured = speed(found, preset(name))
    assert measured
    assert measured.to_json()["printed"] == {"table": "document 2", "ratio": "almost 23"}


def of_many(cells: list[Cell], classes: int) -> list[list[str]]:
    """The table of a cell whose images have so many classes; its local networks and `global` have a top 5."""
    results = cells[0].run.results() or {}
    results["data"]["classes"] = [str(label) for label in range(classes)]
    for found in (results["strategies"]["global"], *results["locals"]):
        found["validation_top5"] = found["validation"] + 0.2
    (cells[0].run.path / "results.json").write_text(json.dumps(results))
    (found,) = findings(cells[:1]).values()
    return [list(head(found)), *map(list, rows(found))]


def test_of_many_classes_the_table_has_the_five_likeliest(cells: list[Cell]) -> None:
    lines = of_many(cells, 100)
    assert {line[0]: line[-1] for line in lines} == {
        "strategy": "top 5", "local, mean of 2": "0.7000", "global": "0.9500", "average": "", "coarse": "",
        "  in Table 2": "",
    }  # fmt: skip
    assert {len(line) for line in lines} == {len(HEAD) + 1}


def test_of_ten_classes_it_has_not(cells: list[Cell]) -> None:
    assert of_many(cells, 10)[0] == list(HEAD)


def test_the_five_likeliest_stand_beside_what_is_printed_of_them(tmp_path: Path) -> None:
    made = plan([preset("food101-resnet50-8boxes")], 1, tmp_path)
    finished(made[0], 0.0)
    lines = of_many(made, 101)
    assert lines[0][-2:] == ["top 5", "printed"]
    (whole,) = (line for line in lines if line[0] == "global")
    assert whole[-4:] == ["0.7572", f"{0.75 - 0.7572:+.4f}", "0.9500", "0.9177"]
    assert NOTE_5 in notes([table(findings(made)["food101-resnet50-8boxes"])])


def test_markdown_has_as_many_cells_in_every_line(cells: list[Cell]) -> None:
    (found,) = findings(cells).values()
    assert {line.count("|") for line in markdown(HEAD, list(rows(found)))} == {len(HEAD) + 1}
