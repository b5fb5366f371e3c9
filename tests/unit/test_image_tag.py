"""Images of two different trees never have the same tag, and a tag that is a commit alone is that commit's tree."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines import images
from schwarz.lineage import commit_of

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    done = subprocess.run(["git", "-C", folder, *me, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small checkout with the script, all committed."""
    for name in ("src", "docker", "docs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("as committed")
    for name in ("pyproject.toml", "constraints.txt", "LICENSE", "README.md", ".dockerignore"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copy(ROOT / "docker" / "tag.sh", tmp_path / "docker")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "all")
    return tmp_path


def tag(tree: Path, *torch: str) -> str:
    done = subprocess.run([tree / "docker" / "tag.sh", *torch], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_clean_tree_is_tagged_by_its_commit(tree: Path) -> None:
    commit = git(tree, "rev-parse", "--short=12", "HEAD")
    assert (tag(tree), tag(tree, "cpu"), tag(tree, "cuda")) == (commit, commit, f"{commit}-cuda")
    (tree / "docs" / "file").write_text("no part of an image")
    assert tag(tree) == commit


def test_every_change_of_what_images_are_made_of_is_another_tag(tree: Path) -> None:
    commit, tags = tag(tree), [tag(tree)]
    (tree / "src" / "file").write_text("changed")
    tags.append(tag(tree))
    (tree / "src" / "file").write_text("changed again")
    tags.append(tag(tree))
    (tree / "src" / "file").unlink()
    tags.append(tag(tree))
    (tree / "docker" / "new").write_text("not tracked")
    tags.append(tag(tree))
    git(tree, "add", "docker/new")
    assert tag(tree) == tags[-1]
    assert len(set(tags)) == 5
    assert all(each.startswith(f"{commit}-dirty-") for each in tags[1:])
    assert git(tree, "status", "--porcelain").splitlines() == ["A  docker/new", " D src/file"]  # as it was left


def test_an_image_of_a_changed_tree_says_so_in_the_lineage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHWARZ_COMMIT", "0123abc")
    assert commit_of(tmp_path) == ("0123abc", False)
    monkeypatch.setenv("SCHWARZ_COMMIT", "0123abc-dirty")
    assert commit_of(tmp_path) == ("0123abc", True)


def test_a_run_in_containers_takes_the_image_of_this_very_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert images.image() == f"schwarz/python-train:{tag(ROOT)}"
    monkeypatch.setenv("SCHWARZ_IMAGE", "schwarz/python-train:another")
    assert images.image() == "schwarz/python-train:another"
