"""Answers from bytes that arrive in any pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.dags.http.answers import Answer, AnswerReader, LostError

ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 503\r\nContent-Length: 0\r\nRetry-After: 3\r\n\r\n", 503, b"", True),
    (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", 200, b"hi", True),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
    (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nA: b\r\n\r\nHTTP/1.1 404 N\r\nContent-Length: 1\r\n\r\n-", 404, b"-", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n", 200, b"hello!", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA \r\n0123456789\r\n000\r\n\r\n", 200, b"0123456789", True),
]  # fmt: skip


def read(method: str, data: bytes, cuts: set[int]) -> tuple[Answer | None, AnswerReader]:
    """Feed pieces until the answer is whole."""
    reader, answer = AnswerReader(method), None
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]
    for start, end in pairwise(edges):
        assert answer is None
        answer = reader.feed(data[start:end])
    return answer, reader


@given(st.sampled_from(ANSWERS), st.sets(st.integers(1, 160)))
def test_however_it_is_cut(case: tuple[bytes, int, bytes, bool], cuts: set[int]) -> None:
    data, status, content, keep = case
    answer, reader = read("GET", data, cuts)
    assert answer is not None
    assert (answer.status, answer.content, reader.keep) == (status, content, keep)


@given(st.sampled_from(ANSWERS), st.data())
def test_what_ends_early_is_lost(case: tuple[bytes, int, bytes, bool], draw: st.DataObject) -> None:
    data = case[0]
    end = draw.draw(st.integers(0, len(data) - 1))
    reader = AnswerReader("GET")
    assert reader.feed(data[:end]) is None
    if b"\r\n0\r\n" in data[:end] or b"\r\n000\r\n" in data[:end]:  # all content has come, the trailer means nothing
        assert reader.end().content == case[2]
    else:
        with pytest.raises(LostError):
            reader.end()
    assert not reader.keep


@given(st.binary(max_size=300), st.sampled_from(["GET", "HEAD"]))
def test_any_bytes_are_an_answer_or_lost(noise: bytes, method: str) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        reader = AnswerReader(method)
        try:
            answer = reader.feed(start + noise) or reader.end()
        except LostError:
            continue
        assert 200 <= answer.status <= 999
        assert len(answer.content) <= len(noise)


def test_the_end_of_the_connection_may_end_the_body() -> None:
    reader = AnswerReader("GET")
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nall ") is None
    assert reader.feed(b"of it") is None
    assert reader.end().content == b"all of it"
    assert not reader.keep


def test_a_head_has_no_body_whatever_it_says() -> None:
    answer, reader = read("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", set())
    assert answer is not None
    assert (answer.content, reader.keep) == (b"", True)


def test_bytes_that_nobody_asked_for_spoil_the_connection() -> None:
    answer, reader = read("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200", set())
    assert answer is not None
    assert not reader.keep


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b" * 100_000,
    ],
)
def test_nonsense(data: bytes) -> None:
    with pytest.raises(LostError):
        AnswerReader("GET").feed(data)
