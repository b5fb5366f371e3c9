"""Download the wheels of all images into .whl/cpu or .whl/cuda: `python docker/wheels.py cpu|cuda BASE`.

pip runs here, before any build, with the indexes, proxies and credentials that it is set up with here; the builds have
no network and see wheels alone. Where this Python is not the base image's (on a Mac; another minor version), pip runs
in a container of the base that is thrown away, with the PIP_ variables of the environment.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TAG = "import platform, sys; print(*sys.version_info[:2], sys.platform, platform.machine())"
PIP = [sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check", "--no-input"]


def main(torch: str, base: str) -> None:
    if torch not in ("cpu", "cuda"):
        sys.exit(f"Error: TORCH={torch}: there is cpu and cuda.")
    wheels, lists, key = ROOT / ".whl" / torch, requirements(), ROOT / ".whl" / f"{torch}.key"
    there = output("docker", "run", "--rm", "--network=none", base, "python3", "-c", TAG)
    wanted = digest([lists, constraints(), torch, there])
    if wheels.is_dir() and key.is_file() and key.read_text(encoding="utf-8") == wanted:
        print(f"{wheels.relative_to(ROOT)}: up to date")
        return
    wheels.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheels.parent) as name:
        folder = Path(name)
        (folder / "wheels").mkdir()
        for target, lines in lists.items():
            (folder / f"{target}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "constraints.txt").write_text(constraints(), encoding="utf-8")
        if there == output(sys.executable, "-c", TAG):
            download(torch, folder)
        else:
            in_container(torch, base, folder)
        shutil.rmtree(wheels, ignore_errors=True)
        folder.rename(wheels)
        folder.mkdir()  # for what removes it
    wheels.chmod(0o755)
    key.write_text(wanted, encoding="utf-8")
    sizes = [path.stat().st_size for path in wheels.glob("wheels/*.whl")]
    print(f"{wheels.relative_to(ROOT)}: {len(sizes)} wheels, {sum(sizes) / 1e6:.0f} MB")


def requirements() -> dict[str, list[str]]:
    """What each image needs, and what builds our own wheel."""
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, extras = whole["project"], whole["project"]["optional-dependencies"]
    return {
        "train": project["dependencies"], "serve": extras["serve"], "mlflow": extras["mlflow"],
        "build": whole["build-system"]["requires"],
    }  # fmt: skip


def constraints() -> str:
    return (ROOT / "constraints.txt").read_text(encoding="utf-8")


def download(torch: str, folder: Path) -> None:
    """The wheels of all lists in `folder`, into its `wheels`; what is published as sources alone is built."""
    pinned = re.search(r"^torch==(.+)$", constraints(), re.MULTILINE)
    assert pinned is not None
    wheels = str(folder / "wheels")
    into = ["-w", wheels, "--find-links", wheels, "-c", str(folder / "constraints.txt")]
    if torch == "cpu":
        build = f"torch=={pinned[1]}+cpu"
        if subprocess.run([*PIP, *into, "--no-deps", build], capture_output=True, check=False).returncode:
            index = os.environ.get("TORCH_INDEX") or CPU_INDEX
            subprocess.run([*PIP, *into, "--no-deps", "--extra-index-url", index, build], check=True)
    else:
        build = f"torch==={pinned[1]}"  # three: not 2.13.0+cpu, should such a wheel lie here
    lists = [word for name in requirements() for word in ("-r", str(folder / f"{name}.txt"))]
    # of the same sources the same bytes, so that the layers of an earlier build are used again
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
    subprocess.run([*PIP, *into, *lists, build], check=True, env=environment)


def in_container(torch: str, base: str, folder: Path) -> None:
    """`download` in a container of the base; it writes as the user who asks for it."""
    told = [word for name in os.environ if name.startswith("PIP_") for word in ("-e", name)]
    mounts = ["-v", f"{ROOT}:/checkout:ro", "-v", f"{folder}:/wheels", "-e", "HOME=/tmp", "-e", "TORCH_INDEX"]
    user = ["--user", f"{os.getuid()}:{os.getgid()}"]
    command = ["python3", "/checkout/docker/wheels.py", torch, "--here", "/wheels"]
    subprocess.run(["docker", "run", "--rm", *user, *told, *mounts, base, *command], check=True)


def output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


if __name__ == "__main__":
    try:
        if sys.argv[2] == "--here":
            download(sys.argv[1], Path(sys.argv[3]))
        else:
            main(*sys.argv[1:3])
    except subprocess.CalledProcessError as fault:  # the command has said why
        sys.exit(fault.returncode)
