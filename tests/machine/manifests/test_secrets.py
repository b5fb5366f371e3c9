"""Where the secrets come from, and that they stand nowhere else."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.machine.manifests.objects import MADE, ROOT, Object, called, text_of

LITERALS = {"AWS_ENDPOINT_URL", "AWS_REGION", "MLFLOW_TRACKING_URI"}
"""What stands beside the secrets under the same name and is none."""


def test_secrets_come_from_the_ignored_file_alone(k8s: Path, objects: list[Object]) -> None:
    files = [dict(line.split("=", 1) for line in path.read_text().splitlines()) for path in k8s.rglob(MADE)]
    known = {value for file in files for value in file.values() if value != "pipeline"}
    assert len(known) == 10
    for item in objects:
        values = item.pop("data", {}) if item["kind"] == "Secret" else {}
        assert not any(value in str(item) for value in known), called(item)
        for key in set(values) - LITERALS:
            assert base64.b64decode(values[key]).decode() in {file.get(key) for file in files}, (called(item), key)


def test_the_real_files_are_ignored_and_the_examples_show_their_form(k8s: Path) -> None:
    for made in k8s.rglob(MADE):
        example = made.with_name("example.env").read_text().splitlines()
        keys = [line.split("=")[0] for line in example if not line.startswith("#")]
        assert keys == [line.split("=")[0] for line in made.read_text().splitlines()]
        assert MADE in example[0]
        assert made.stat().st_mode & 0o777 == 0o600
        ignored = ["git", "check-ignore", "-q", f"k8s/{made.relative_to(k8s)}"]
        assert subprocess.run(ignored, cwd=ROOT, check=False).returncode == 0


def test_without_them_the_build_names_the_command_that_makes_them(k8s: Path, tmp_path: Path) -> None:
    shutil.copytree(k8s, tmp_path / "k8s", ignore=shutil.ignore_patterns(MADE))
    for overlay in (tmp_path / "k8s" / "overlays").iterdir():
        with pytest.raises(subprocess.CalledProcessError) as fault:
            text_of(overlay)
        assert "/made-by-secrets.sh.env: no such file" in fault.value.stderr


def test_secrets_that_are_there_are_kept(k8s: Path) -> None:
    before = {path: path.read_text() for path in k8s.rglob(MADE)}
    told = subprocess.run([k8s / "secrets.sh"], check=True, capture_output=True, text=True).stdout
    assert told.count("kept") == len(before) == 4
    assert before == {path: path.read_text() for path in k8s.rglob(MADE)}


def test_keys_of_a_store_that_is_there_are_taken(k8s: Path, tmp_path: Path) -> None:
    shutil.copytree(k8s, tmp_path / "k8s", ignore=shutil.ignore_patterns(MADE))
    keys = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "and its secret"}
    run = [tmp_path / "k8s" / "secrets.sh"]
    half = subprocess.run(run, env={"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "x"}, check=False)
    assert half.returncode == 2
    subprocess.run(run, env={"PATH": os.environ["PATH"], **keys}, check=True, capture_output=True)
    made = (tmp_path / "k8s" / "secrets" / "store" / MADE).read_text()
    assert made == "".join(f"{name}={value}\n" for name, value in keys.items())
