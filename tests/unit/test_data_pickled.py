"""Pickles of protocol 2 are read as data; what would import, call or build anything else is refused by its place."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schwarz.data.pickled import read_dict
from schwarz.errors import WrongInput
from tests.unit.python2 import dumps

PIXELS = np.arange(256, dtype=np.uint8).repeat(2).reshape(4, 128)
BATCH = {
    "batch_label": "training batch 1 of 5",
    "labels": list(range(2500)),
    "data": PIXELS,
    "filenames": [f"{number}.png" for number in range(2500)],
    "long": "x" * 300,
    "none": None,
    "flag": True,
    "less": -5,
    "nested": {"a": ["b", []]},
}


def write(folder: Path, content: bytes) -> Path:
    (folder / "batch").write_bytes(content)
    return folder / "batch"


def test_what_python_2_wrote_is_read_value_by_value(tmp_path: Path) -> None:
    stream = dumps(BATCH)
    assert stream.startswith(b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5")
    found = read_dict(write(tmp_path, stream))
    pixels = found.pop("data")
    assert found == {key: value for key, value in BATCH.items() if key != "data"}
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, PIXELS)


@pytest.mark.parametrize("name", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_what_python_3_wrote_again_is_read_with_bytes_as_keys_and_values(tmp_path: Path, name: str) -> None:
    """As `pickle.dump(pickle.load(file, encoding="bytes"), file, protocol=2)` leaves a batch."""
    names = [b"a.png", b"\xe9\x00.png"]
    stream = pickle.dumps({b"data": PIXELS, b"labels": [3, 5], b"filenames": names, "text": "more"}, protocol=2)
    assert b"c_codecs\nencode\n" in stream
    own = b"numpy._core.multiarray" if b"numpy._core" in stream else b"numpy.core.multiarray"
    found = read_dict(write(tmp_path, stream.replace(own, name.encode())))
    np.testing.assert_array_equal(found.pop("data"), PIXELS)
    assert found == {"labels": [3, 5], "filenames": ["a.png", "\xe9\x00.png"], "text": "more"}


def test_what_cannot_be_read_is_answered_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"PROTO, byte 0: with 4.* Take the original archive, or save .* \.npz file"):
        read_dict(write(tmp_path, pickle.dumps({"data": PIXELS}, protocol=4)))


def test_a_value_that_is_met_again_comes_from_the_memo(tmp_path: Path) -> None:
    assert read_dict(write(tmp_path, b"\x80\x02}q\x01(U\x01aq\x02h\x02U\x01bj\x02\x00\x00\x00u.")) == {
        "a": "a",
        "b": "a",
    }


def test_an_array_in_fortran_order_keeps_its_values(tmp_path: Path) -> None:
    stream = dumps({"data": PIXELS}).replace(b"tb\x89T", b"tb\x88T").replace(PIXELS.tobytes(), PIXELS.tobytes("F"))
    np.testing.assert_array_equal(read_dict(write(tmp_path, stream))["data"], PIXELS)


class Harm:
    """What a pickle runs when it is unpickled."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.arguments


def system(command: str) -> bytes:
    return b"\x80\x02cposix\nsystem\nq\x01" + b"U" + bytes([len(command)]) + command.encode() + b"\x85R."


def test_a_pickle_that_runs_a_command_runs_nothing_and_its_place_is_named(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    with pytest.raises(WrongInput, match=r"batch: at opcode GLOBAL, byte 2: asks for 'posix system'"):
        read_dict(write(tmp_path, system(f"touch {mark}")))
    for protocol in range(6):
        hostile = pickle.dumps({"data": Harm(Path.touch, mark)}, protocol)
        with pytest.raises(WrongInput, match=r"at opcode \w+, byte \d+: "):
            read_dict(write(tmp_path, hostile))
    assert not mark.exists()


ENCODED = b"\x80\x02}U\x01xc_codecs\nencode\nq\x01"
ARRAY = b"\x80\x02}U\x01xcnumpy.core.multiarray\n_reconstruct\n"


def shaped(shape: bytes) -> bytes:
    """An array of 4x128 values that says it has another shape."""
    stream, own = dumps({"data": PIXELS}), b"K\x04K\x80\x86"
    assert own in stream
    return stream.replace(own, shape)


REFUSED: list[tuple[bytes, str]] = [
    (b"", "byte 0: pickle exhausted before seeing STOP"),
    (b"not a pickle", "byte 0: "),
    (dumps(BATCH)[:100], "at opcode .*pickle exhausted|remain"),
    (dumps(BATCH)[:-1], "at opcode SETITEMS, byte .*pickle exhausted"),
    (b"\x80\x04}.", "at opcode PROTO, byte 0: with 4"),
    (b"\x80\x02]K\x01a.", "holds no dict, but list"),
    (b"\x80\x02}K\x01K\x02s.", "at opcode SETITEM, byte 7: a key is no string"),
    (b"\x80\x02}(U\x01au.", "at opcode SETITEMS"),
    (b"\x80\x02}e.", "at opcode APPENDS, byte 3: no MARK"),
    (b"\x80\x02}K\x01a.", "at opcode APPEND, byte 5: does not follow list"),
    (b"\x80\x02s.", "at opcode SETITEM, byte 2: the stack is empty"),
    (b"\x80\x02h\x07.", "at opcode BINGET, byte 2: with 7"),
    (b"\x80\x02}}.", "at opcode STOP"),
    (b"\x80\x02}U\x01aT\xff\xff\xff\x7fabc.", "byte 3: expected 2147483647 bytes in a string4, but only 4 remain"),
    (b"\x80\x02cnumpy\nload\n.", "asks for 'numpy load'"),
    (b"\x80\x02}\x92.", "opcode NEWOBJ_EX, byte 3"),
    (b"\x80\x02}Pfile\n.", "opcode PERSID, byte 3: with 'file'"),
    (b"\x80\x02(ios\nsystem\n.", "opcode INST, byte 3: with 'os system'"),
    (b"\x80\x02\x82\x01.", "opcode EXT1"),
    (ARRAY + b"U\x02ls\x85Rs.", r"opcode REDUCE, byte 47: would call 'numpy.core.m... _reconstruct' with \('ls',\)"),
    (b"\x80\x02}U\x01xU\x0bnumpy dtypeU\x02u1K\x00K\x01\x87Rs.", "opcode REDUCE.*nothing is called"),
    (b"\x80\x02}U\x01xcnumpy\ndtype\nU\x02O8K\x00K\x01\x87Rs.", r"would call 'numpy dtype' with \('O8', 0, 1\)"),
    (ENCODED + b"X\x01\0\0\0aX\x04\0\0\0utf8\x86Rs.", r"REDUCE.* '_codecs encode' with \('a', 'utf8'\)"),
    (ENCODED + b"X\x02\0\0\0\xc4\x80X\x06\0\0\0latin1\x86Rs.", "opcode REDUCE, .*ordinal not in range"),
    (ENCODED + b"h\x01X\x06\0\0\0latin1\x86Rs.", r"REDUCE.* '_codecs encode' with \('_codecs encode', 'latin1'\)"),
    (ENCODED + b"K\x01\x85Rs.", r"REDUCE.* '_codecs encode' with \(1,\)"),
    (ENCODED + b")Rs.", r"REDUCE.* '_codecs encode' with \(\)"),
    (ENCODED + b"K\x01Rs.", "opcode REDUCE"),
    (shaped(b"K\x04K\x81\x86"), r"opcode BUILD.*\(4, 129\) and 512 bytes"),
    (shaped(b"J\xfc\xff\xff\xffJ\x80\xff\xff\xff\x86"), "opcode BUILD"),
    (b"\x80\x02" + b"K\x00" + b"\x85" * 200_000 + b"K\x01s.", "opcode SETITEM, byte 200006: does not follow dict"),
    (b"\x80\x02}K\x00" + b"\x85" * 200_000 + b"K\x01s.", "opcode SETITEM, byte 200007: a key is no string"),
]


@pytest.mark.parametrize(("stream", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_anything_else_is_refused_with_its_opcode_and_byte(tmp_path: Path, stream: bytes, message: str) -> None:
    with pytest.raises(WrongInput, match=message) as caught:
        read_dict(write(tmp_path, stream))
    assert str(tmp_path / "batch") in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_flipped_byte_anywhere_never_raises_anything_else(tmp_path: Path) -> None:
    stream = dumps({"labels": [3, 5], "data": PIXELS[:, :2].copy(), "names": ["a", "b"]})
    for place in range(len(stream)):
        for value in (0, ord("c"), ord("R"), ord("."), 0xFF, stream[place] ^ 1):
            try:
                read_dict(write(tmp_path, stream[:place] + bytes([value]) + stream[place + 1 :]))
            except WrongInput:
                continue


def test_the_stream_of_the_tests_is_one_that_python_reads_alike() -> None:
    """So that what is read above is no dialect of these tests; these bytes are our own."""
    plain = {key: value for key, value in BATCH.items() if key != "data"}
    assert pickle.loads(dumps(plain), encoding="latin1") == plain  # noqa: S301  # by our own bytes, written above


def test_lengths_beyond_the_file_take_no_memory(tmp_path: Path) -> None:
    for opcode, size in ((b"\x8e", "<Q"), (b"\x8d", "<Q"), (b"X", "<I"), (b"T", "<i")):
        stream = b"\x80\x02}" + opcode + struct.pack(size, 2**31 - 1) + b"abc"
        with pytest.raises(WrongInput, match=r"remain|exceed"):
            read_dict(write(tmp_path, stream))
