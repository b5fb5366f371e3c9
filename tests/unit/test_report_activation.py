"""Figure 3.8 in the report: class activation maps over their images, and what the steps hand on for it."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from schwarz.activation_maps import activation_maps, enlarged
from schwarz.blueprint import Blueprint, load_whole, save
from schwarz.composition import compose
from schwarz.config import Network
from schwarz.files import read_json
from schwarz.images import Labelled, load, pad, save_array
from schwarz.partition import Partition
from schwarz.report import page, pixels
from schwarz.report.activation import HEADS, Looks, rows
from schwarz.steps.looks import write_looks
from schwarz.steps.report import read_looks
from schwarz.strategies import Trained
from tests.models import look_trained
from tests.unit import report_results as example
from tests.unit.test_report import HOSTILE, text, tree


def looks(names: tuple[str, ...] = tuple(HEADS), channels: int = 1) -> Looks:
    """Waves over the first four samples; every network says Trouser, the local ones four things."""
    images, labels = example.samples(channels)
    y, x = np.mgrid[:32, :32] / 32
    maps = {
        name: np.stack([np.sin((3 + n) * x + i) * np.cos(4 * y - n) for i in range(4)]).astype(np.float32)
        for n, name in enumerate(names)
    }
    says = {name: [[1, 2, 0, 1] if name == "local" else [1]] * 4 for name in names}
    return Looks(images[:4], labels[:4], None, maps, says)


def section(html: str) -> ElementTree.Element | None:
    return next((each for each in tree(html).iter("section") if text(each).startswith("Where the networks look")), None)


def render(shown: Looks | None) -> str:
    return page(example.results(), *example.samples(), looks=shown)


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_a_row_for_each_image_and_a_column_for_each_network_with_what_it_says():
    html = render(looks())
    found = section(html)
    assert found is not None
    head, *body = [[text(cell) for cell in row] for row in found.iter("tr")]
    assert head == ["true class", "local networks", "composed", "composed_tuned", "global, untrained", "global"]
    said = "Trouser, {}".format
    for true, row in zip(example.CLASSES, body, strict=False):
        right = "right" if true == "Trouser" else "wrong"
        counts = {"T-shirt": 1, "Trouser": 2, "Pullover": 1}.get(true, 0)
        assert row == [
            f"true class {true}", f"local networks {counts} of 4 right",
            *(f"{name} {said(right)}" for name in head[2:]),
        ]  # fmt: skip
    assert len(body) == 4


def test_every_picture_is_told_in_words_and_ids_are_unique():
    html = render(looks())
    found = section(html)
    assert found is not None
    told = [picture.get("aria-label") for picture in found.iter("svg")]
    assert len(told) == 4 * 6
    assert told[:3] == [
        "Image of T-shirt",
        "Map of T-shirt in local networks; said: 1 of 4 right",
        "Map of T-shirt in composed; said: Trouser, wrong",
    ]
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert {use.get("href") for use in found.iter("use")} == {f"#faded-{i}" for i in range(4)} <= {f"#{i}" for i in ids}


def test_networks_that_a_run_does_not_have_are_left_out_and_so_is_the_section():
    found = section(render(looks(("untrained", "global"))))
    assert found is not None
    assert [text(cell) for cell in next(found.iter("tr"))] == ["true class", "global, untrained", "global"]
    assert "“global, untrained” has random weights" in text(found)
    assert next(found.iter("rect"), None) is None
    alone = section(render(looks(("local",))))
    assert alone is not None
    assert "untrained" not in text(alone)
    assert section(render(None)) is None


def test_boxes_are_outlined_where_local_networks_are_side_by_side():
    found = section(render(looks()))
    assert found is not None
    pictures = [[int(box.get("x", "")) for box in picture.iter("rect")] for picture in found.iter("svg")]
    assert pictures[:6] == [[], [0, 16, 0, 16], [], [], [], []]


def test_any_class_name_is_shown_as_it_is():
    given = example.results()
    given["data"]["classes"] = [HOSTILE, HOSTILE, *example.CLASSES[2:]]
    html = page(given, *example.samples(), looks=looks())
    assert "<script" not in html
    found = section(html)
    assert found is not None
    assert f"Image of {HOSTILE}".replace("\x00\x0b\ud800", "\ufffd" * 3) == next(found.iter("svg")).get("aria-label")


def test_the_sign_is_a_colour_and_the_size_its_opacity():
    shown = decoded(pixels.signed(np.array([[2.0, 1.0, 0.0], [-2.0, -0.5, -4.0]])))
    assert shown[0, 0, :3].tolist() == shown[0, 1, :3].tolist() == list(pixels.FOR)
    assert shown[1, 0, :3].tolist() == shown[1, 2, :3].tolist() == list(pixels.AGAINST)
    alpha = shown[..., 3]
    assert alpha[0, 2] == 0
    assert alpha[0, 0] == alpha[1, 0]
    assert alpha[1, 2] == alpha.max() == 225
    assert alpha[1, 1] < alpha[0, 1] < alpha[0, 0] < 225
    assert decoded(pixels.signed(np.zeros((2, 2))))[..., 3].max() == 0  # a network that sees nothing


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_large_images_are_thinned_and_faded_ones_have_no_extremes(channels: int):
    image = np.zeros((channels, 300, 150), np.uint8)
    image[:, :, 75:] = 255
    small = pixels.thumbnail(image)
    assert small.shape == ((96, 48, 3) if channels == 3 else (96, 48))
    assert sorted(np.unique(decoded(pixels.faded(small)))) == [105, 232]


def test_the_page_grows_by_less_than_300_kb_for_large_photographs():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 3, 224, 224)).astype(np.uint8)  # noise: nothing is larger as a PNG
    maps = {name: rng.normal(size=(4, 8, 8)).repeat(8, 1).repeat(8, 2) for name in HEADS}
    shown = Looks(images, [0, 1, 2, 3], None, maps, looks().says)
    assert len(render(shown)) - len(render(None)) < 300_000


def test_of_volumes_the_slice_is_named_and_the_boxes_across_it_are_outlined():
    boxes = [[[depth, depth + 8], [0, 32], [left, left + 16]] for depth in (0, 8) for left in (0, 16)]
    boxes.append([[0, 9], [4, 28], [4, 28]])
    shown = looks()._replace(slice=8)
    for row in rows(shown, example.CLASSES, boxes):
        assert row.tiles[0].boxes == [(0, 0, 16, 32), (16, 0, 16, 32), (4, 4, 24, 24)]
    given = example.results()
    given["partition"] = {"shape": [16, 32, 32], "boxes": boxes}
    html = page(given, np.zeros((0, 1, 16, 32, 32), np.uint8), [], looks=shown)
    words = text(section(html))  # type: ignore[arg-type]  # fails here if there is none
    assert "Of each volume the middle slice along the first axis is shown, slice 8 of 16 from 0." in words


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves: validation images of ten classes, local networks that look trained, and what they compose."""
    folder = tmp_path_factory.mktemp("run")
    images, _ = example.samples(side=28, count=40)
    save_array(folder / "images/validation/x.npy", images)
    save_array(folder / "images/validation/y.npy", np.arange(40) % 10)
    network = Network(family="vgg9", width=8, dense=16)
    blueprint = Blueprint(network, Partition.grid((32, 32), (2, 2)), (1, 28, 28), 2, (0.3,), (0.3,), 10)
    locals_ = blueprint.local_networks(0)
    look_trained(*locals_)
    for k, local in enumerate(locals_):
        save(folder / f"box-{k}", local, blueprint, role="local", box=k)
    composed = compose(blueprint.global_network(0), locals_, blueprint.partition)
    save(folder / "composed", composed, blueprint, role="composed")
    return folder


def trained(run: Path) -> Trained:
    return Trained([run / f"box-{k}" for k in range(4)], composed=run / "composed")


def test_the_steps_hand_on_the_map_of_the_true_class_at_its_image(run: Path, tmp_path: Path):
    held = load(run / "images", "validation")
    write_looks(tmp_path, trained(run), held)
    found = read_looks(tmp_path, run / "images", 2)
    assert found is not None
    assert [*found.maps] == ["local", "composed", "untrained"]
    assert found.labels == [0, 3, 6, 9]
    assert [len(each) for each in found.says["local"]] == [4] * 4
    model = load_whole(run / "composed")
    for image, label, shown, said in zip(
        found.images, found.labels, found.maps["composed"], found.says["composed"], strict=True
    ):
        (at,) = np.flatnonzero((pad(held.x, 2) == image).all((1, 2, 3)))
        assert held.y[at] == label
        x = model.preprocess(torch.from_numpy(np.array(held.x[at : at + 1])))
        maps, logits = activation_maps(model.network, x)
        np.testing.assert_allclose(shown, enlarged(maps[:, label], (32, 32))[0].numpy(), atol=1e-6)
        assert said == logits.argmax(1).tolist()


@pytest.mark.parametrize(("of_fours", "shown"), [(4, [4, 7, 4, 7]), (1, [4, 7, 7, 7])])
def test_of_two_classes_several_images_each_are_shown_and_of_one_network_one_column(
    run: Path, tmp_path: Path, of_fours: int, shown: list[int]
):
    held = load(run / "images", "validation")
    kept = [*np.flatnonzero(held.y == 4)[:of_fours], *np.flatnonzero(held.y == 7)]
    write_looks(tmp_path, Trained(global_=run / "composed"), Labelled(held.x[kept], held.y[kept]))
    assert held.y[kept][read_json(tmp_path / "activation_maps.json")["images"]].tolist() == shown
    found = np.load(tmp_path / "activation_maps.npy")
    assert found.shape == (2, 4, 32, 32)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_networks_without_feature_maps_leave_none(run: Path, tmp_path: Path):
    dense = replace(trained(run).blueprint, network=Network(family="mlp"))
    network = dense.global_network(0)
    look_trained(network)
    save(tmp_path / "network", network, dense, role="global")
    write_looks(tmp_path, Trained(global_=tmp_path / "network"), load(run / "images", "validation"))
    assert read_looks(tmp_path, run / "images", 2) is None


def test_local_networks_trained_together_with_their_coarse_net_alone_leave_none(run: Path, tmp_path: Path):
    save(tmp_path / "network", torch.nn.Linear(1, 1), trained(run).blueprint, role="coherent")
    write_looks(tmp_path, Trained(coherent=tmp_path / "network"), load(run / "images", "validation"))
    assert read_looks(tmp_path, run / "images", 2) is None
