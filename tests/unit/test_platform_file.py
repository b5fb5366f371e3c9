"""A platform file explains itself and loads back; what is wrong in one is named, with its line and the remedy."""

from pathlib import Path

import pytest

from schwarz.config import fields
from schwarz.config.cluster import Platform, tagged
from schwarz.document import document
from schwarz.errors import WrongInput
from schwarz.platform_file import EXAMPLE, check, load
from schwarz.presets import preset
from schwarz.reading import override

STORE = '[store]\nuri = "s3://schwarz/store"\nremote = "s3://schwarz/dvc"\nsecret = "keys"\n'
IMAGE = '[image]\nname = "example.org/schwarz:1"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "cluster.toml"
    path.write_text(text)
    return path


NAMED = "example.org/schwarz:2"


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image, where a file leaves it open."""
    monkeypatch.setenv("SCHWARZ_IMAGE", NAMED)


def test_the_example_loads_back_with_every_field_explained(tmp_path: Path) -> None:
    text = document(EXAMPLE)
    loaded = load(written(tmp_path, text))
    assert loaded.image.name == NAMED
    assert loaded.model_copy(update={"image": EXAMPLE.image}) == EXAMPLE
    words = " ".join(" ".join(line.lstrip("# ") for line in text.splitlines()).split())
    for name, info in fields(Platform).items():
        assert info.description, name
        assert " ".join(info.description.split()) in words, name


def test_an_unset_field_of_the_example_is_valid_once_uncommented(tmp_path: Path) -> None:
    text = document(EXAMPLE)
    unset = [line for line in text.splitlines() if line.startswith("# ") and " = " in line.split("#")[1]]
    names = ["namespace", "service_account", "parallelism", "name", "checkpoints", "claim", "shared_memory"]
    assert [line.split()[1] for line in unset] == names
    for line in unset:
        assert load(written(tmp_path, text.replace(line, line[2:], 1))) != load(written(tmp_path, text))


def test_a_short_file_is_enough(tmp_path: Path) -> None:
    platform = load(written(tmp_path, IMAGE + STORE))
    assert platform.environment("tiny") == {
        "SCHWARZ_STORE": "s3://schwarz/store",
        "SCHWARZ_CHECKPOINTS": "s3://schwarz/store/checkpoints",
        "SCHWARZ_REMOTE": "s3://schwarz/dvc",
        "SCHWARZ_PRESET": "tiny",
    }
    assert platform.local.retries == 2


WRONG = [
    (IMAGE + STORE + "[locl]\n", ":7: unknown field 'locl'. Did you mean 'local'?"),
    (IMAGE + STORE + "[local]\ngpu_count = 1\n", ":8: unknown field 'local.gpu_count'."),
    (IMAGE + STORE + "[local]\nretry = 1\n", ":8: unknown field 'local.retry'. Did you mean 'retries'?"),
    (
        IMAGE + STORE + '[[whole.tolerations]]\nkey = "a"\noperatr = "Exists"\n',
        ":9: unknown field 'whole.tolerations.operatr'. Did you mean 'operator'?",
    ),
    (IMAGE, "field 'store' is missing"),
    (IMAGE + '[store]\nuri = "s3://schwarz/store"\n', "field 'store.remote' is missing"),
    (STORE, "image.name is unset, and so is SCHWARZ_IMAGE"),
    ('[image]\nname = "example.org:5000/schwarz"\n' + STORE, ":2: image.name: 'example.org:5000/schwarz' has no tag"),
    (
        '[image]\nname = "schwarz:latest"\n' + STORE,
        ":2: image.name: 'schwarz:latest' has the tag 'latest', which moves",
    ),
    ('[image]\nname = "not an image:1"\n' + STORE, ":2: image.name: 'not an image:1' is no image"),
    (IMAGE + 'pull = "always"\n' + STORE, ":3: image.pull = 'always'"),
    (IMAGE + STORE + "[local]\ngpus = 1\n", "local.gpus = 1, but image.cuda = false"),
    (IMAGE + STORE + "[light]\ngpus = 1\n", "light.gpus = 1, but image.cuda = false"),
    (IMAGE + STORE + "[local]\ngpus = -1\n", ":8: local.gpus = -1: "),
    (IMAGE + STORE + '[local]\nmemory = "16"\n', ":8: local.memory: '16' is no amount of memory"),
    (IMAGE + STORE + '[local]\nmemory = "16 GB"\n', "'16 GB' is no amount of memory"),
    (IMAGE + STORE + '[local]\ncpu = "4"\n', ":8: local.cpu = '4': "),
    (
        IMAGE + STORE + '[local]\nmemory = "1Gi"\nshared_memory = "2Gi"\n',
        ":7: local: shared_memory = '2Gi' is part of memory = '1Gi'",
    ),
    (IMAGE + STORE.replace("s3://schwarz/store", "schwarz/store"), ":4: store.uri: 'schwarz/store' is neither s3://"),
    (IMAGE + STORE.replace("s3://schwarz/dvc", "s3://me:secret@host/dvc"), ":5: store.remote: an address that holds"),
    (IMAGE + STORE.replace("s3://schwarz/store", "/mnt/schwarz"), "uri = '/mnt/schwarz': pods share no folder"),
    (IMAGE + STORE.replace('secret = "keys"\n', ""), "uri = 's3://schwarz/store': secret is unset"),
    (IMAGE + STORE + 'keys = { SECRET = "x" }\n', ":7: store.keys: 'SECRET' is no variable of a client"),
    (IMAGE + STORE + '[mlflow]\nuri = "http://me:word@mlflow"\n', ":8: mlflow.uri: no http(s)://host:port"),
    (IMAGE + STORE + '[mlflow]\nsecret = "Not_A_Name"\n', ":8: mlflow.secret: 'Not_A_Name' is no name"),
    ('namespace = "My Team"\n' + IMAGE + STORE, ":1: namespace: 'My Team' is no name that Kubernetes takes"),
    ('labels = { team = "a b" }\n' + IMAGE + STORE, ":1: labels: 'team' = 'a b'"),
    ('labels = { "a b" = "c" }\n' + IMAGE + STORE, ":1: labels: 'a b' is no key"),
    (IMAGE + STORE + '[[local.tolerations]]\nkey = "a"\n', "operator 'Equal' needs key and value"),
    (
        IMAGE + STORE + '[[local.tolerations]]\nkey = "a"\noperator = "Exists"\nvalue = "b"\n',
        "operator 'Exists' takes no value, here 'b'",
    ),
    ("parallelism = 0\n" + IMAGE + STORE, ":1: parallelism = 0: "),
    ("namespace = \n", "not TOML"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCHWARZ_IMAGE")
    with pytest.raises(WrongInput) as refused:
        load(written(tmp_path, text))
    message = str(refused.value)
    assert told in message
    assert message.startswith(str(tmp_path / "cluster.toml"))
    assert "secret@host" not in message
    assert "me:word" not in message


def test_the_environment_names_an_image_that_the_file_leaves_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHWARZ_IMAGE", "example.org/schwarz:abc")
    assert load(written(tmp_path, STORE)).image.name == "example.org/schwarz:abc"
    assert load(written(tmp_path, IMAGE + STORE)).image.name == "example.org/schwarz:1"  # the file stands above it
    monkeypatch.setenv("SCHWARZ_IMAGE", "example.org/schwarz")
    with pytest.raises(WrongInput, match=r"SCHWARZ_IMAGE: 'example.org/schwarz' has no tag"):
        load(written(tmp_path, STORE))


@pytest.mark.parametrize(
    "name", ["a:1", "example.org:5000/a/b:v1.0-cpu", f"a@sha256:{'0' * 64}", "example.org:5000/a@sha256:0"]
)
def test_an_image_with_a_tag_or_a_digest_is_one(name: str) -> None:
    assert tagged(name) == name


@pytest.mark.parametrize(
    ("device", "gpus", "told"),
    [
        ("cuda", 0, "place.device = 'cuda', but cluster.toml asks for no GPU: local.gpus = 0"),
        ("cpu", 1, "place.device = 'cpu' would leave the GPUs of cluster.toml idle: local.gpus = 1"),
    ],
)
def test_a_device_that_contradicts_the_pods_is_refused(tmp_path: Path, device: str, gpus: int, told: str) -> None:
    text = f"{IMAGE}cuda = true\n{STORE}[local]\ngpus = {gpus}\n"
    with pytest.raises(WrongInput) as refused:
        check(load(written(tmp_path, text)), override(preset("tiny"), {"place.device": device}), Path("cluster.toml"))
    assert told in str(refused.value)
