"""What two runs are compared by."""

from pathlib import Path

from schwarz.files import sha256


def weights(run: Path) -> dict[str, str]:
    """The sha256 of every file of weights in a run folder, by its place among the steps."""
    return {str(path.relative_to(run / "steps")): sha256(path) for path in (run / "steps").rglob("*.safetensors")}
