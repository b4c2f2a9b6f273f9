"""Slow and lying senders: what is on the wire, byte by byte."""

from __future__ import annotations

import pytest

from observability.store import SqlEventStore
from tests.observability.collector.samples import body_of
from tests.testing.collector_server import SECRETS, Served

HEAD = (
    b"POST /webhooks/gitlab HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-gitlab-token: "
    + SECRETS["HEADGATE_GITLAB_WEBHOOK_TOKEN"].encode()
    + b"\r\n"
)


def test_a_body_that_does_not_end_is_given_up(site: Served, store: SqlEventStore) -> None:
    assert site.raw(HEAD + b"content-length: 1000\r\n\r\n{").startswith(b"HTTP/1.1 408")
    assert (site.counted("gitlab", "timeout"), store.last_sequence()) == (1, 0)


def test_a_head_that_does_not_end_is_given_up(site: Served) -> None:
    assert site.raw(HEAD).startswith(b"HTTP/1.1 408")
    assert site.raw(b"").startswith(b"HTTP/1.1 408")
    assert site.counted("unknown", "timeout") == 2


def test_a_second_head_on_one_connection_is_given_up_as_well(site: Served) -> None:
    complete = HEAD + b"content-length: 2\r\n\r\n{}"
    answer = site.raw(complete + HEAD)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"HTTP/1.1 408" in answer


def test_more_than_is_declared_is_not_read_as_part_of_the_body(site: Served, store: SqlEventStore) -> None:
    body = body_of("gitlab/deployment_success")
    answer = site.raw(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body + b"garbage\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 202")
    assert b"HTTP/1.1 400" in answer
    assert store.last_sequence() == 1
    assert site.counted("unknown", "protocol") == 1


def test_less_than_is_declared_is_nothing(site: Served, store: SqlEventStore) -> None:
    body = body_of("gitlab/deployment_success")
    site.raw(HEAD + b"content-length: %d\r\n\r\n" % (len(body) + 1) + body, half_close=True)
    assert store.last_sequence() == 0


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: -5\r\n",
        b"content-length: 5x\r\n",
        b"transfer-encoding: gzip\r\n",
        b"x: " + b"y" * 40_000 + b"\r\n",
        b"a\x00b: c\r\n",
    ],
    ids=["two lengths", "negative", "no number", "unknown coding", "large", "NUL"],
)
def test_heads_that_are_no_http_are_refused(site: Served, store: SqlEventStore, lines: bytes) -> None:
    answer = site.raw(HEAD + lines + b"\r\n{}")
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 501")
    assert store.last_sequence() == 0


def test_chunks_count_like_a_length(site: Served, store: SqlEventStore) -> None:
    body = body_of("gitlab/deployment_success")
    chunked = HEAD + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    half = len(body) // 2
    parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:])]
    assert site.raw(chunked, *parts, b"0\r\n\r\n").startswith(b"HTTP/1.1 202")
    endless = [b"1000\r\n" + b"x" * 4096 + b"\r\n"] * 17
    assert site.raw(chunked, *endless, b"0\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert store.last_sequence() == 1


def test_an_oversized_body_is_answered_before_it_has_arrived(site: Served) -> None:
    answer = site.raw(HEAD + b"content-length: 9999999999\r\nexpect: 100-continue\r\n\r\n", half_close=True)
    assert answer.startswith(b"HTTP/1.1 413")
