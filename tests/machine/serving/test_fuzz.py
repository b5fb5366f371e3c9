"""Requests at random, right and wrong, for a minute; `make bench` does the same for five."""

from pathlib import Path

from tests.machine.serving.fuzz.hunting import hunted

SECONDS = 60
GROWN_MB = 16


def test_what_is_right_is_answered_and_what_is_wrong_is_refused(tmp_path: Path) -> None:
    found = hunted(tmp_path, SECONDS)
    assert found.grown_mb < GROWN_MB
    for right in ("200", "OK"):  # the hunt is no use where nearly all is refused at the door
        assert found.statuses[right] > found.talks / 20
