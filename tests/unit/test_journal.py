"""The journal: whole lines, read as they grow, from where one left off."""

import resource
from pathlib import Path

import pytest

from schwarz.journal import Journal, Tail, read


def test_events_are_read_once_each_and_in_order(tmp_path: Path):
    a, b = Journal(tmp_path / "a.jsonl", "a"), Journal(tmp_path / "b-1.jsonl", "b", "1")
    tail = Tail(tmp_path)
    a.write("start", title="first")
    b.write("start", title="second")
    assert [event["title"] for event in tail.poll()] == ["first", "second"]
    assert tail.poll() == []
    a.write("done", wall_s=1.0)
    assert [(event["step"], event["event"]) for event in tail.poll()] == [("a", "done")]


def test_a_reader_goes_on_from_kept_offsets(tmp_path: Path):
    journal = Journal(tmp_path / "a.jsonl", "a")
    journal.write("start")
    tail = Tail(tmp_path)
    tail.poll()
    journal.write("done")
    assert [event["event"] for event in Tail(tmp_path, tail.offsets).poll()] == ["done"]


def test_half_a_line_waits_and_that_of_a_dead_writer_is_cut_off(tmp_path: Path):
    Journal(tmp_path / "a.jsonl", "a").write("start")
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"t": 1, "ev')
    tail = Tail(tmp_path)
    assert len(tail.poll()) == 1
    assert tail.poll() == []
    Journal(tmp_path / "a.jsonl", "a").write("done")
    assert [event["event"] for event in read(tmp_path)] == ["start", "done"]


def test_a_disk_that_fills_up_leaves_no_half_line(tmp_path: Path):
    journal = Journal(tmp_path / "a.jsonl", "a")
    journal.write("start")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            journal.write("done")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.write("done")
    assert [event["event"] for event in read(tmp_path)] == ["start", "done"]
