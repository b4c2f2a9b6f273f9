"""Compressed files that are not whole never reach an engine; whole ones always do."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gates.quality.engines.open import open_batch
from gates.quality.engines.whole import check_whole
from headgate.errors import TransportError
from headgate.exit_codes import ExitCode

ROWS = b"id\n" + b"".join(b"%d\n" % (number * 7919 % 100_003) for number in range(5_000))


def packed(data: bytes) -> bytes:
    """Without the time: it would be in the name of the test, which has to be the same in every process."""
    return gzip.compress(data, mtime=0)


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


PACKED: dict[str, bytes] = {".gz": packed(ROWS), ".zst": zstd(ROWS), ".zstd": zstd(b"")}


def written(folder: Path, suffix: str, data: bytes) -> str:
    path = folder / f"orders.csv{suffix}"
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        *PACKED.items(),
        (".gz", packed(b"")),
        (".gz", packed(ROWS[:50]) + packed(ROWS[50:])),
        (".gz", packed(ROWS) + bytes(1000)),
        (".zst", zstd(ROWS[:50]) + zstd(ROWS[50:])),
        (".zst", (0x184D2A53).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc" + zstd(ROWS)),
        (".txt", b"not compressed, and none of our business"),
    ],
)
def test_a_whole_file_is_let_through(tmp_path: Path, suffix: str, data: bytes) -> None:
    check_whole([written(tmp_path, suffix, data)])


@pytest.mark.parametrize(
    ("suffix", "data", "said"),
    [
        (".gz", b"", "cut off"),
        (".gz", b"id\n1\n", "damaged"),
        (".gz", packed(ROWS) + b"more", "damaged"),
        (".zst", b"", "empty"),
        (".zst", b"id\n1\n", "no frame"),
        (".zst", zstd(ROWS) + b"more", "no frame"),
        (".zst", b"\x28\xb5\x2f\xfd\x20\x00\x07\x00\x00", "no known kind"),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, suffix: str, data: bytes, said: str) -> None:
    path = written(tmp_path, suffix, data)
    with pytest.raises(TransportError, match=said) as raised:
        check_whole([path])
    assert (raised.value.where, raised.value.exit_code) == (path, ExitCode.UNDECIDED)


@pytest.mark.parametrize("suffix", PACKED)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_off_anywhere_is_not_whole(tmp_path: Path, suffix: str, share: float) -> None:
    data = PACKED[suffix]
    with pytest.raises(TransportError):
        check_whole([written(tmp_path, suffix, data[: int(len(data) * share)])])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.1, 0.99), bit=st.integers(0, 7))
def test_a_changed_bit_of_gzip_is_seen_unless_it_says_the_same(tmp_path: Path, share: float, bit: int) -> None:
    data = bytearray(PACKED[".gz"])
    data[int(len(data) * share)] ^= 1 << bit
    try:
        check_whole([written(tmp_path, ".gz", bytes(data))])
    except TransportError:
        return
    assert gzip.decompress(bytes(data)) == ROWS


def damaged(data: bytes) -> bytes:
    return data[:-6] + bytes(byte ^ 0xFF for byte in data[-6:-5]) + data[-5:]


@pytest.mark.parametrize(
    ("suffix", "broken"), [(".gz", damaged), (".zst", lambda data: data[:-1]), (".zst", lambda data: data[:9])]
)
def test_no_engine_opens_a_damaged_file(tmp_path: Path, suffix: str, broken: Callable[[bytes], bytes]) -> None:
    path = written(tmp_path, suffix, broken(PACKED[suffix]))
    with pytest.raises(TransportError, match="file is"):
        open_batch(path)
