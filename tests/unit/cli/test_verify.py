"""`verify`: a run's networks and a preset's, what it prints, when it fails, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from schwarz.files import read_json, sha256, write_json
from schwarz.runs import RunFolder, open_run
from schwarz.shell import command
from tests.unit import composed_run

Schwarz = Callable[..., Any]
FEW = ("--images", "16")
LENET = ("--network.family", "lenet5")


@pytest.fixture
def ready(checkout: Path, sample: Path) -> Path:
    """A checkout with the sample's images."""
    (checkout / "data").symlink_to(sample)
    return checkout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> dict[str, RunFolder]:
    """One run that keeps statistics, and one that recomputes them."""
    with pytest.MonkeyPatch.context() as patch:
        return {
            how: composed_run.make(tmp_path_factory.mktemp(how) / "run", patch, **{"compose.statistics": how})
            for how in ("keep", "recompute")
        }


@pytest.fixture
def run(checkout: Path, made: dict[str, RunFolder]) -> Path:
    """The run as runs/tiny/1."""
    return Path(shutil.copytree(made["keep"].path, checkout / "runs" / "tiny" / "1"))


def damage(run: Path) -> None:
    """Change a weight of the composed network, as if another program had made it."""
    folder = run / "steps" / "compose"
    weights = load_file(folder / "weights.safetensors")
    weights["features.0.weight"] += 1
    save_file(weights, folder / "weights.safetensors")
    done = read_json(folder / "done.json")
    done["files"]["weights.safetensors"] = sha256(folder / "weights.safetensors")
    write_json(folder / "done.json", done)


def test_of_a_run_the_trained_networks_on_its_validation_images(run: Path, schwarz: Schwarz) -> None:
    told = schwarz("verify", "tiny/1", *FEW)
    assert (told.status, told.err) == (0, "")
    first, second, blank, case, *_ = told.out.splitlines()
    assert first == "tiny-1: vgg9 composed of its 4 trained local networks; images cut 2x2 with overlap 0"
    assert second.startswith("16 of 40 validation images, padded to 32x32 and normalised")
    assert (blank, case.split(":")[0]) == ("", "field")
    assert "15x15 each" in told.out
    assert "(2.19): cost r and its bound" in told.out


def test_json_holds_the_whole_verdict(run: Path, schwarz: Schwarz) -> None:
    found = json.loads(schwarz("verify", run, *FEW, "--json").out)
    assert (found["run"], found["weights"], found["from"], found["picture"]) == (
        str(run),
        "trained",
        "validation",
        None,
    )
    assert (found["case"], found["holds"], found["images"], found["boxes"]) == ("field", True, 16, 4)
    assert found["layers"][0]["fields"][3] == [[17, 32], [17, 32]]
    assert found["bounds"][2]["left"] <= found["bounds"][2]["right"]


def test_all_validation_images_are_taken_where_there_are_fewer(run: Path, schwarz: Schwarz) -> None:
    assert json.loads(schwarz("verify", "tiny/1", "--json").out)["images"] == 40


def test_a_network_that_does_not_keep_what_its_case_claims_fails(run: Path, schwarz: Schwarz) -> None:
    damage(run)
    told = schwarz("verify", "tiny/1", *FEW)
    assert told.status == 1
    assert told.last == "Error: the case is field, but the networks do not keep what it claims: see above."
    assert "15x15 each" in told.out


def test_recomputed_statistics_are_no_fault(checkout: Path, made: dict[str, RunFolder], schwarz: Schwarz) -> None:
    told = schwarz("verify", made["recompute"].path, *FEW)
    assert told.status == 0, told.err
    assert "its statistics as they were before they were recomputed" in told.out


def test_require_names_the_layer_and_the_nearest_exact_configuration(run: Path, schwarz: Schwarz) -> None:
    told = schwarz("verify", "tiny/1", *FEW, "--require", "exact")
    assert told.status == 1
    assert told.out
    assert told.last.startswith("Error: the case is field, not exact: layer 'features.0' pads at the cuts")
    assert "exact: padding 0" in told.last
    assert schwarz("verify", "tiny/1", *FEW, "--require", "field").status == 0


def test_of_a_preset_random_weights_that_show_something(ready: Path, schwarz: Schwarz) -> None:
    told = schwarz("verify", "tiny", *FEW)
    assert (told.status, told.err) == (0, "")
    assert "with random weights, as nothing is trained" in told.out
    assert "16 training images of 'sample'" in told.out
    found = json.loads(schwarz("verify", "tiny", *FEW, "--json").out)
    assert (found["run"], found["weights"]) == (None, "random")
    assert found["logit_gap"] > found["tolerance"]
    assert min(layer["scale"] for layer in found["layers"] if layer["gap"] is not None) > 0.01
    other = json.loads(schwarz("verify", "tiny", *FEW, "--seed", "1", "--json").out)
    assert found["logit_gap"] != other["logit_gap"]


def test_an_exact_configuration_is_seen_to_be_one(ready: Path, schwarz: Schwarz) -> None:
    told = schwarz("verify", "tiny", *LENET, *FEW, "--require", "exact", "--json")
    assert told.status == 0, told.err
    found = json.loads(told.out)
    assert (found["case"], found["exact"], found["causes"]) == ("exact", True, [])
    assert found["logit_gap"] <= found["tolerance"]


def test_flags_are_told_where_they_lead_to_an_exact_case(ready: Path, schwarz: Schwarz) -> None:
    for small in (("--network.family", "cnn5"), ("--network.family", "lenet5", "--network.padding", "same")):
        told = schwarz("verify", "tiny", *FEW, *small)
        assert told.out.splitlines()[-1] == "exact with --network.padding valid"
        assert schwarz("verify", "tiny", *FEW, *small, "--network.padding", "valid", "--require", "exact").status == 0


def test_no_flags_are_told_where_boxes_are_too_small_or_shifted(ready: Path, schwarz: Schwarz) -> None:
    for other in ((), ("--network.family", "cnn5", "--partition.overlap", 3)):
        told = schwarz("verify", "tiny", *FEW, *other)
        assert told.status == 0
        assert "exact with" not in told.out


def test_starts_that_no_stride_divides_are_less_than_a_field(ready: Path, schwarz: Schwarz) -> None:
    told = schwarz("verify", "tiny", *FEW, "--partition.overlap", 3, "--require", "field")
    assert told.status == 1
    assert "the case is initialisation, not field: layer 'features.9' would begin box 1" in told.last
    assert "start at multiples of 8 x 8" in told.last


@pytest.mark.parametrize("name", ["maps.png", "maps.svg"])
def test_the_picture_is_written_and_named(run: Path, schwarz: Schwarz, name: str) -> None:
    told = schwarz("verify", "tiny/1", *FEW, "--picture", name)
    assert told.status == 0, told.err
    path = Path.cwd() / name
    assert told.out.splitlines()[-1] == f"picture {path}"
    if name.endswith("png"):
        with Image.open(path) as picture:
            assert picture.width > 1500
            assert picture.height > 1500
    else:
        assert path.read_text().count("<image") == 8 * 10  # two images by four boxes; one and three by three maps
    before = path.read_bytes()
    schwarz("verify", "tiny/1", *FEW, "--picture", name)
    assert path.read_bytes() == before


def test_a_run_that_composed_nothing_is_refused(run_folder: Path, schwarz: Schwarz) -> None:
    text = (run_folder / "config.toml").read_text()
    strategies = next(line for line in text.splitlines() if line.startswith("strategies"))
    (run_folder / "config.toml").write_text(text.replace(strategies, 'strategies = ["average"]'))
    told = schwarz("verify", run_folder)
    assert told.status == 2
    assert "nothing was composed, its strategies are average" in told.last
    assert "--strategies composed" in told.last


@pytest.mark.parametrize("step", ["train_local", "compose", "prepare_data"])
def test_a_run_that_lacks_a_step_is_refused(run: Path, schwarz: Schwarz, step: str) -> None:
    shutil.rmtree(run / "steps" / step)
    told = schwarz("verify", "tiny/1")
    assert told.status == 2
    assert told.last.endswith(f"{run}: steps/{step} is missing. `{command('resume', run)}` makes it.")


def test_a_run_that_lacks_a_local_network_is_refused(run: Path, schwarz: Schwarz) -> None:
    shutil.rmtree(run / "steps" / "train_local" / "2")
    told = schwarz("verify", "tiny/1")
    assert told.status == 2
    assert f"3 of its 4 local networks are there. `{command('resume', run)}` makes it." in told.last


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("train_local/2/done.json", None),
        ("compose/weights.safetensors", None),
        ("compose/network.json", "nonsense"),
        ("compose/done.json", "nonsense"),
        ("compose/done.json", "[]"),
        ("prepare_data/data.json", "{}"),
    ],
)
def test_a_damaged_step_is_named_with_what_to_remove(
    run: Path, schwarz: Schwarz, file: str, content: str | None
) -> None:
    path = run / "steps" / file
    path.write_text(content) if content else path.unlink()
    told = schwarz("verify", "tiny/1")
    assert told.status == 2
    assert f"{path.parent.relative_to(run)} is not as it was written. Remove {path.parent}, then" in told.last
    (run / "report.html").write_text("")
    (run / "results.json").write_text('{"run": {}, "model": {"file": "report.html"}}')
    told = schwarz("verify", "tiny/1")
    assert f"Remove {path.parent} and {run / 'results.json'}, then `{command('resume', run)}`" in told.last


def test_a_run_that_goes_on_is_waited_for(run: Path, schwarz: Schwarz) -> None:
    shutil.rmtree(run / "steps" / "compose")
    with open_run(run).lock():
        told = schwarz("verify", "tiny/1")
    assert told.status == 2
    assert told.last == (
        f"Error: {run}: another process runs it now: wait until it has ended; `{command('runs')}` shows that."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "RUN or PRESET is missing"),
        ("tinny", "no preset and no run 'tinny'. Did you mean 'tiny'?"),
        ("other", "no preset and no run 'other'. `schwarz presets` and `schwarz runs` list them."),
        ("data.dvc", "data.dvc: is a file. Name the folder of a run; `schwarz runs` lists the runs here."),
        ("runs/tiny/9", "no such run folder"),
        ("tiny.toml", "A file is given as `--config tiny.toml`"),
        ("tiny/1 --local.epochs 3", "--local.epochs changes a PRESET, and 'tiny/1' is none"),
        ("tiny/1 --config data.dvc", "--config changes a PRESET, and 'tiny/1' is none: a run is as it was."),
        ("tinny --config data.dvc", "'tinny' is none: a run is as it was. Did you mean 'tiny'?"),
        ("tiny --images 0", "Invalid value for '--images': 0 is too few: at least 1."),
        ("tiny --images -3", "Invalid value for '--images': -3 is too few: at least 1."),
        ("tiny --images many", "Invalid value for '--images': 'many' is no whole number."),
        ("tiny --require exat", "Did you mean 'exact'?"),
        ("tiny --picture maps.jpg", "maps.jpg: what is written is .png or .svg"),
        ("tiny --picture nowhere/maps.png", "its folder nowhere does not exist"),
        ("tiny --partition.grid 4 4", "network.width = 8 cannot be shared by 16 local networks"),
        ("tiny --config no.toml", "no.toml: no such file"),
    ],
)
def test_what_cannot_be_verified_is_refused(checkout: Path, schwarz: Schwarz, arguments: str, message: str) -> None:
    told = schwarz("verify", *arguments.split())
    assert (told.status, told.out) == (2, "")
    assert message in told.last


def test_what_has_no_maps_has_no_picture(ready: Path, schwarz: Schwarz) -> None:
    dense = ("--network.family", "mlp", "--network.width", "none", "--picture", "maps.png")
    told = schwarz("verify", "tiny", *FEW, *dense)
    assert told.status == 2
    assert "mlp has no feature maps to draw" in told.last
    assert not Path("maps.png").exists()
