"""Presets: every row of the documents' tables is a whole configuration that runs on the set it names."""

import re
import subprocess
import sys
from math import prod
from pathlib import Path

import pytest

from schwarz import presets
from schwarz.checks import check
from schwarz.config import Config
from schwarz.data import DataInfo
from schwarz.decomposition import decompose
from schwarz.networks import build, count_parameters
from schwarz.partition import Partition, padded
from schwarz.presets import PRESETS, preset
from schwarz.presets.page import tables
from schwarz.presets.sources import SOURCES
from schwarz.published_accuracies import CIFAR, FOOD, accuracies, strategies_printed, times
from schwarz.reading import override
from schwarz.training.epochs import steps_of

PAGE = Path(__file__).parents[2] / "docs" / "presets.md"
SAMPLE = DataInfo("sample", f"{'0' * 32}.dir", (1, 28, 28), tuple("abcdefghij"), 12000, 2000, Path(), Path())


def described(config: Config) -> DataInfo:
    """The set of a preset as its .dvc file would describe it."""
    if config.data.name == "sample":
        return SAMPLE
    source = SOURCES[config.data.name]
    classes = tuple(str(number) for number in range(source.classes))
    return DataInfo(source.name, SAMPLE.md5, source.shape, classes, source.train, source.test, Path(), Path())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_whole_and_can_be_run_on_the_set_that_it_names(name: str) -> None:
    config = preset(name)
    assert (config.preset, config.data.name) == (name, PRESETS[name].data)
    assert PRESETS[name].name == name
    assert len(check(config, described(config))) == config.partition.count


def _networks() -> dict[tuple[str, str, str], str]:
    """One preset for every network on every partition."""
    configs = [preset(name) for name in PRESETS]
    return {(str(c.network), c.partition.words, c.data.name): c.preset for c in configs[::-1]}


@pytest.mark.parametrize("name", sorted(_networks().values()))
def test_local_networks_of_a_preset_share_the_width_of_the_global_one(name: str) -> None:
    config = preset(name)
    info = described(config)
    shape = padded(info.shape, config.data.pad)
    network = build(config.network, shape, len(info.classes))
    parts = decompose(network, check(config, info), shape)
    widths = [len(next(each.parameters())) for each in (network, *parts)]
    assert widths[0] == sum(widths[1:])
    assert sum(map(count_parameters, parts)) < count_parameters(network)


def test_the_rows_of_the_documents_are_presets() -> None:
    rows = {
        "cifar10-vgg9-2x2", "cifar10-resnet20-2x2", "flowers-vgg9-2x2", "flowers-vgg9-4x4", "flowers-resnet20-2x2",
        "flowers-resnet20-4x4", "chestct-vgg9-2x2x1", "chestct-vgg9-4x4x2", "cifar10-vgg9-2x2-overlap2",
        "cifar10-vgg9-3x3", "yale-vgg9-2x2", "adrenal3d-vgg9-2x2x1", "adrenal3d-vgg9-2x2x2", "adrenal3d-vgg9-4x4x2",
        "dogs-vs-cats-plain11-2x2", "cifar10-resnet32-2x2-overlap4-batch16384", *CIFAR, *FOOD,
    }  # fmt: skip
    assert rows <= set(PRESETS)


def test_document_1_has_one_global_network_for_all_partitions_of_a_set() -> None:
    two, four = preset("flowers-vgg9-2x2"), preset("flowers-vgg9-4x4")
    assert two.network == four.network
    assert two.global_ == four.global_
    assert (two.local.epochs, two.coherent.epochs) == (150, 200)


@pytest.mark.parametrize("name", [name for name in PRESETS if PRESETS[name].data != "sample"])
def test_a_coarse_net_has_2250_steps_however_few_images_it_learns_from(name: str) -> None:
    config = preset(name)
    if "coarse" in config.strategies:
        assert config.coarse.epochs * steps_of(16, config.coarse.training) == 2250


def test_the_documents_habit_of_choosing_by_test_images_can_be_had_of_every_preset() -> None:
    for name in PRESETS:
        config = override(preset(name), {"data.validation": "test", "coarse.source": "out-of-fold"})
        check(config, described(config))


def test_of_38_persons_the_holdout_is_too_small_for_a_coarse_net() -> None:
    assert {preset(f"yale-vgg9-{cut}").coarse.source for cut in ("2x2", "4x4")} == {"out-of-fold"}


def test_document_3_has_no_coarse_net() -> None:
    names = [name for name in PRESETS if PRESETS[name].group.startswith("document 3")]
    assert len(names) == 33
    assert not any("coarse" in preset(name).strategies for name in names)


def test_document_2_compares_3x3_with_2x2_under_one_global_network() -> None:
    three, two = preset("cifar10-vgg9-3x3"), preset("cifar10-vgg9-2x2-width36")
    assert (three.network, three.global_) == (two.network, two.global_)
    assert (three.partition.count, two.partition.count) == (9, 4)


def test_document_3_drops_the_rate_where_it_says() -> None:
    config = preset("cifar10-resnet56-2x2-overlap4")
    assert config.global_.drops == ((80, 0.1), (140, 0.1), (160, 0.1), (180, 0.5))
    assert config.local.drops == ((60, 0.1), (80, 0.1), (100, 0.1))
    assert config.tune.drops == ((20, 0.1), (40, 0.1), (60, 0.5))
    assert (config.global_.lr, config.local.lr, config.tune.lr) == (1e-3, 1e-3, 1e-4)
    assert config.global_.epochs == config.local.epochs + config.tune.epochs == 200
    assert {t.batch for t in (config.global_, config.local, config.tune)} == {32}


def test_plateaus_lead_no_lower_than_the_smallest_rate_of_document_3() -> None:
    config = preset("cifar10-resnet56-2x2-overlap4")
    for training in (config.global_, config.tune):
        assert training.lr * prod(factor for _, factor in training.drops) == pytest.approx(training.floor)
    for name in ("cifar100-resnet32-2x2", "food101-resnet50-4x4"):
        config = preset(name)
        assert {(t.plateau, t.floor) for t in (config.global_, config.local, config.tune)} == {(5, 5e-7)}


def test_food101_is_trained_in_epochs_of_300_steps_on_boxes_of_the_sizes_that_document_3_gives() -> None:
    boxes = {}
    for name in FOOD[:3]:
        config = preset(name)
        assert (config.global_.steps, config.local.steps, config.tune.steps) == (300, 300, 300)
        partition: Partition = check(config, described(config))
        boxes[name] = (len(partition), {box.shape for box in partition})
    assert boxes == {
        "food101-resnet50-2x2": (4, {(140, 140)}),
        "food101-resnet50-8boxes": (8, {(96, 96)}),
        "food101-resnet50-4x4": (16, {(70, 70)}),
    }


@pytest.mark.parametrize(
    ("name", "strategy", "printed"),
    [
        ("cifar10-vgg9-2x2", "coarse", [("0.7669", "0.8071"), ("0.7999", "0.8663")]),
        ("cifar10-vgg9-2x2", "majority", [("0.6237", "0.6546")]),
        ("cifar10-resnet20-2x2", "global", [("0.8622", "0.9343")]),
        ("chestct-vgg9-4x4x2", "transfer", [("0.9025", "0.9488")]),
        ("flowers-resnet20-4x4", "coherent", [("0.8406", "0.9002")]),
        ("cifar10-resnet32-2x2-overlap4", "local 3", [("78.97", None)]),
        ("cifar10-resnet32-2x2", "composed", [("81.11", None)]),
        ("cifar100-resnet110-2x2", "composed_tuned", [("70.72", None)]),
        ("cifar100-resnet56-2x2-overlap4", "global", [("72.53", None)]),
        ("food101-resnet101-8boxes", "composed_tuned", [("76.56", None)]),
        ("quickstart", "global", []),
    ],
)
def test_what_the_documents_print_is_found_by_preset_and_strategy(
    name: str, strategy: str, printed: list[tuple[str, str | None]]
) -> None:
    assert [(each.validation, each.train) for each in accuracies(name, strategy)] == printed


def test_percentages_and_shares_are_one_measure() -> None:
    (percent,) = accuracies("cifar10-resnet32-2x2-overlap4", "composed_tuned")
    (share,) = accuracies("cifar10-vgg9-2x2", "transfer")
    assert (percent.share, percent.text) == (pytest.approx(0.944), "0.9440")
    assert (share.share, share.text) == (0.8462, "0.8462 (0.8889)")


def test_food101_has_top_5_accuracies_too() -> None:
    (printed,) = accuracies("food101-resnet50-4x4", "composed")
    assert (printed.validation, printed.top5) == ("13.65", "37.03")


def test_training_times_are_found_by_row_and_batch() -> None:
    found = times("cifar10-resnet32-2x2-overlap4-batch32", augmented=True)
    assert found == ("document 3, Table 3.2", 4, "1484", "627")
    assert str(found) == (
        "Document 3, Table 3.2 prints, of 10 epochs on 4 GPUs, 1484 s and, for the local networks, 627 s: that is 2.37 "
        "times as much."
    )
    lacking = times("cifar10-resnet32-2x2-batch16384", augmented=True)
    assert str(lacking).endswith("on 4 GPUs, nothing and, for the local networks, 88 s.")
    assert times("cifar10-resnet32-2x2", augmented=True) is None


def test_without_augmentation_other_times_are_printed() -> None:
    found = times("cifar10-resnet32-2x2-batch128", augmented=False)
    assert found == ("document 3, Table 3.2", 4, "461", "170")


def test_a_ratio_that_we_compute_is_not_said_to_be_printed() -> None:
    found = str(times("cifar10-resnet32-2x2-batch128", augmented=True))  # 472 s and 181 s, where 2.60 is printed
    assert found.endswith("181 s: that is 2.61 times as much.")


def test_on_food101_times_are_printed_for_four_gpus_and_for_one() -> None:
    four, one = (times("food101-resnet101-8boxes", augmented=True, gpus=gpus) for gpus in (4, 1))
    assert four == ("document 3, Table 3.4", 4, "2507", "607")
    assert one == ("document 3, Table 3.4", 1, "2920", "1533")
    assert times("cifar10-resnet32-2x2-batch128", augmented=True, gpus=1) is None


@pytest.mark.parametrize("name", [*CIFAR, *FOOD, "cifar10-vgg9-2x2", "flowers-resnet20-4x4", "chestct-vgg9-2x2x1"])
def test_a_preset_has_every_strategy_that_its_row_prints(name: str) -> None:
    assert set(strategies_printed(name)) - {"local"} <= set(preset(name).strategies)


def test_the_page_has_the_tables_that_the_command_prints() -> None:
    page = PAGE.read_text(encoding="utf-8")
    inside = re.search(r"<!-- schwarz presets --markdown -->\n(.*)\n<!-- end -->", page, re.DOTALL)
    assert inside, "the marks are gone"
    assert inside[1] == "\n".join(tables()), "`schwarz presets --markdown` prints what belongs between the marks"


def test_listing_presets_builds_none_and_imports_no_torch() -> None:
    code = "import sys; from schwarz.presets import PRESETS; print(len(PRESETS), 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert told == [str(len(presets.PRESETS)), "False"]
