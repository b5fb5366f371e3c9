"""Objects in a folder, and what is refused before any store is asked."""

import os
import pickle
import re
from pathlib import Path

import pytest

from schwarz.errors import WrongInput
from schwarz.files import replacing, sha256
from schwarz.storage import NoObject, ObjectChanged, ObjectDamaged, Store, open_store, ready

CONTENT = bytes(range(256)) * 10


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(CONTENT)
    return tmp_path / "source"


@pytest.fixture
def store(tmp_path: Path, source: Path) -> Store:
    store = open_store(tmp_path / "store")
    store.put(source, "boxes/0/x.npy")
    return store


def test_what_is_put_is_found_read_got_listed_and_removed(store: Store, source: Path, tmp_path: Path) -> None:
    found = store.find("boxes/0/x.npy")
    assert found is not None
    assert (found.key, found.size, found.sha256) == ("boxes/0/x.npy", len(CONTENT), sha256(source))
    assert store.read("boxes/0/x.npy", 250, 10, found.version) == CONTENT[250:260]
    assert store.get("boxes/0/x.npy", tmp_path / "deep/target") == len(CONTENT)
    assert (tmp_path / "deep/target").read_bytes() == CONTENT
    assert list(store.list()) == [found]
    store.remove("boxes/0/x.npy")
    store.remove("boxes/0/x.npy")
    assert store.find("boxes/0/x.npy") is None
    assert list(store.list()) == []


def test_a_list_is_by_key_and_of_what_begins_with_the_prefix(store: Store, source: Path) -> None:
    for key in ("boxes-1", "boxes/1/y", "boxes/10", "models/a/1/model.onnx"):
        store.put(source, key)
    assert [each.key for each in store.list("boxes/1")] == ["boxes/1/y", "boxes/10"]
    assert [each.key for each in store.list("boxes")] == ["boxes-1", "boxes/0/x.npy", "boxes/1/y", "boxes/10"]
    assert list(store.list("nothing/there")) == []


def test_what_is_being_written_is_not_listed(store: Store, tmp_path: Path) -> None:
    with replacing(tmp_path / "store/boxes/0/y.npy"):
        assert [each.key for each in store.list()] == ["boxes/0/x.npy"]


def test_the_same_bytes_are_written_once(store: Store, source: Path) -> None:
    before = store.find("boxes/0/x.npy")
    assert store.put(source, "boxes/0/x.npy") == sha256(source)
    assert store.find("boxes/0/x.npy") == before
    source.write_bytes(CONTENT[::-1])
    store.put(source, "boxes/0/x.npy")
    assert store.find("boxes/0/x.npy") != before


def test_an_object_that_was_changed_in_place_is_damaged_and_the_target_stays(store: Store, tmp_path: Path) -> None:
    with (tmp_path / "store/boxes/0/x.npy").open("r+b") as file:
        file.write(b"!")
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(ObjectDamaged, match=r"x\.npy: its sha256 is .*, expected is .* Remove it, then resume"):
        store.get("boxes/0/x.npy", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["source", "store", "target"]


def test_another_sha256_than_the_one_asked_for_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ObjectDamaged, match="expected is 0000"):
        store.get("boxes/0/x.npy", tmp_path / "target", "0" * 64)
    assert not (tmp_path / "target").exists()


def test_a_file_that_nobody_put_is_an_object_without_a_sum(store: Store, tmp_path: Path) -> None:
    (tmp_path / "store/by-hand").write_bytes(b"x")
    found = store.find("by-hand")
    assert found is not None
    assert found.sha256 is None
    assert store.get("by-hand", tmp_path / "target") == 1


def test_a_read_refuses_another_version_and_bytes_that_are_not_there(store: Store, source: Path) -> None:
    found = store.find("boxes/0/x.npy")
    assert found is not None
    source.write_bytes(CONTENT[::-1])
    store.put(source, "boxes/0/x.npy")
    with pytest.raises(ObjectChanged, match=r"x\.npy: was written anew while it was read"):
        store.read("boxes/0/x.npy", 0, 4, found.version)
    with pytest.raises(ObjectChanged, match="bytes 2550 to 2570"):
        store.read("boxes/0/x.npy", 2550, 20)


def test_an_absent_object_is_named(store: Store, tmp_path: Path) -> None:
    for ask in (lambda: store.get("boxes/1/x.npy", tmp_path / "target"), lambda: store.read("boxes", 0, 1)):
        with pytest.raises(NoObject, match=f"{tmp_path}/store/boxes.*: there is no such object"):
            ask()
    assert store.find("boxes") is None


def test_an_object_is_replaced_where_it_is_the_one_that_was_seen(store: Store, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    seen = store.find("boxes/0/x.npy")
    assert seen
    store.replace(other, "boxes/0/x.npy", seen.version)
    assert store.read("boxes/0/x.npy", 0, 5) == b"other"
    for version, key in ((seen.version, "boxes/0/x.npy"), (None, "boxes/0/x.npy"), (seen.version, "boxes/1/x.npy")):
        with pytest.raises(ObjectChanged, match=f"{key}: was written anew, and stays as it is"):
            store.replace(source, key, version)
    store.replace(source, "boxes/1/x.npy", None)
    assert [each.key for each in store.list()] == ["boxes/0/x.npy", "boxes/1/x.npy"]


def test_a_store_can_be_pickled(store: Store) -> None:
    again = pickle.loads(pickle.dumps(store))  # noqa: S301  # what was just written
    assert list(again.list()) == list(store.list())


def test_a_folder_that_is_not_there_is_ready_and_stays_away(tmp_path: Path) -> None:
    ready(str(tmp_path / "later"))
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize(
    "key", ["", "/x", "x/", "a//b", "../x", "a/./b", ".hidden", "a/.x", "a\\b", "a\nb", "a\x7f", "x" * 1025, "\ud800"]
)
def test_a_key_that_means_something_else_elsewhere_is_refused(store: Store, source: Path, key: str) -> None:
    with pytest.raises(WrongInput, match=r"object key .*: must be names with / between them"):
        store.put(source, key)


@pytest.mark.parametrize(
    "key", ["sp ace+plus%41&=?#", "ünïcode/名.bin", "quote'\"<>&.txt", "t~ilde!*()", "a:b;c,d@e$f"]
)
def test_a_key_with_odd_characters_is_a_key(store: Store, source: Path, key: str) -> None:
    store.put(source, key)
    assert store.read(key, 0, 3) == CONTENT[:3]
    assert key in [each.key for each in store.list()]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("", "store '': is no folder"),
        ("gs://bucket/x", "store 'gs://bucket/x': is no folder and not of the form s3://bucket/prefix"),
        ("https://me:secret@host/x", r"store '\.\.\.@host/x': is no folder"),
        ("s3://", "store 's3:': its bucket must have 3 to 63"),
        ("s3://My_Bucket/x", "store 's3://My_Bucket/x': its bucket must have"),
        ("s3://me:secret@bucket/x", r"store '\.\.\.@bucket/x': its bucket must have"),
        ("s3://bucket/../x", r"object key '\.\./x'"),
    ],
)
def test_what_names_no_store_is_refused(uri: str, said: str) -> None:
    with pytest.raises(WrongInput, match=said):
        open_store(uri)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": ""}, "AWS_ACCESS_KEY_ID: not set, and http://host:1 wants it"),
        ({"AWS_ENDPOINT_URL": "host:1"}, "AWS_ENDPOINT_URL: 'host:1' is not of the form http://host:port"),
        ({"AWS_ENDPOINT_URL": "http://me:secret@host:1"}, r"AWS_ENDPOINT_URL: '\.\.\.@host:1' is not of the form"),
        ({"AWS_ENDPOINT_URL": "http://host:1/bucket"}, "is not of the form http://host:port. Name the store's own"),
        ({"AWS_ENDPOINT_URL": "http://host:x"}, "is not of the form"),
    ],
)
def test_an_environment_that_leads_to_no_store_is_refused(monkeypatch, environment: dict[str, str], said: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": "http://host:1"}
    for name, value in (keys | environment).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongInput, match=said) as refused:
        open_store("s3://bucket/x")
    assert "secret" not in str(refused.value)


def test_without_an_endpoint_it_is_amazons_of_the_region(monkeypatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    with pytest.raises(WrongInput, match=r"AWS_SECRET_ACCESS_KEY: not set, and https://s3\.eu-west-3\.amazonaws\.com"):
        open_store("s3://bucket/x")


def test_a_file_system_without_attributes_keeps_objects_without_sums(store: Store, source: Path, monkeypatch) -> None:
    """As on a system whose Python knows none: taken away here, for the machine's own file system has them."""
    for name in ("getxattr", "setxattr"):
        monkeypatch.delattr(os, name)
    store.put(source, "plain")
    found = store.find("plain")
    assert found is not None
    assert found.sha256 is None


def test_the_example_of_the_page_prints_what_stands_below_it(tmp_path: Path, monkeypatch, capsys) -> None:
    page = (Path(__file__).parents[2] / "docs/storage.md").read_text(encoding="utf-8")
    code, printed = re.findall(r"```(?:python)?\n(.*?)```", page, re.DOTALL)[:2]
    monkeypatch.chdir(tmp_path)
    exec(code, {})  # noqa: S102  # our own page
    assert capsys.readouterr().out == printed
    assert (tmp_path / "copy.bin").read_bytes() == b"0123456789"
