"""What each server has of a run: RUN/logs/journal/sent.json, one entry per address. Losing it loses nothing: MLflow
takes the same metric of the same moment once, and runs are found again by their tags.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from schwarz.files import read_json, write_json
from schwarz.tracking.server import shown

SENT = ".sent.json"


@dataclass
class Kept:
    """How far one server is: bytes of each journal file, the parent run's id, what it got when the run ended."""

    parent: str | None = None
    given: bool = False
    """Whether KFP opened the parent."""
    offsets: dict[str, int] = field(default_factory=dict)
    closed: str | None = None


class Ledger:
    """The entry of one server, kept in the run's folder."""

    def __init__(self, run: Path, uri: str) -> None:
        self.file, self.uri = _file(run), shown(uri)
        self.kept = Kept(**_read(run)["servers"].get(self.uri, {}))

    def save(self) -> None:
        """Write the entry, and that this server is the run's."""
        run = self.file.parents[2]
        servers = {**_read(run)["servers"], self.uri: asdict(self.kept)}
        write_json(self.file, {"uri": self.uri, "servers": servers})


def marker(journal: Path) -> Path:
    """Where the ledger of a pod, which has one journal, is kept beside those of the others."""
    return journal.with_suffix(SENT)


def merge(run: Path) -> None:
    """Make one ledger of those that pods left."""
    whole = _read(run)
    for each in sorted(_file(run).parent.glob(f"*.*{SENT}")):
        told = read_json(each)
        whole["uri"] = whole["uri"] or told["uri"]
        for uri, kept in told["servers"].items():
            known = whole["servers"].setdefault(uri, kept)
            known["offsets"] = {**kept["offsets"], **known["offsets"]}
    write_json(_file(run), whole)


def address(run: Path) -> str | None:
    """Where the run was sent last, or was to be sent."""
    return _read(run)["uri"]


def parent_id(run: Path) -> str | None:
    """The parent's MLflow run id at the server of the run; None while it has none."""
    kept = _read(run)
    return kept["servers"].get(kept["uri"], {}).get("parent")


def is_sent(run: Path) -> bool:
    """Whether the server of the run has every journal whole."""
    kept = _read(run)
    offsets = kept["servers"].get(kept["uri"], {}).get("offsets", {})
    return all(offsets.get(file.name, 0) >= file.stat().st_size for file in _file(run).parent.glob("*.jsonl"))


def is_parent(run: Path, identity: str) -> bool:
    """Whether `identity` is the parent's MLflow run id at any server that the run was sent to."""
    return any(kept["parent"] == identity for kept in _read(run)["servers"].values())


def _file(run: Path) -> Path:
    return run / "logs" / "journal" / "sent.json"


def _read(run: Path) -> dict:
    return read_json(_file(run)) if _file(run).exists() else {"uri": None, "servers": {}}
