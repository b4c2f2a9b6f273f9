"""Tokens and signatures: what each sender sends, forged and old ones, two secrets at once."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.secrets import Secret
from observability.collector.senders import PREVIOUS, SENDERS, SHARED, read_keys
from observability.collector.verify import HEADERS, Doubt, Key, Scheme, chosen_key, verify
from tests.testing.webhooks import prove

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
BODY = b'{"a": 1}'
STANDARD = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def key(scheme: Scheme, *secrets: str) -> Key:
    return Key(scheme=scheme, secrets=tuple(Secret(secret) for secret in secrets))


def secret_of(scheme: Scheme) -> str:
    return STANDARD if scheme is Scheme.STANDARD else "a-secret-of-tests"


@pytest.mark.parametrize("scheme", list(Scheme))
def test_what_the_sender_proves_is_believed_and_nothing_else(scheme: Scheme) -> None:
    secret = secret_of(scheme)
    headers = prove(scheme, secret, BODY, NOW)
    assert verify(key(scheme, secret), headers, BODY, NOW) is None
    wrong = "whsec_" + base64.b64encode(bytes(32)).decode() if scheme is Scheme.STANDARD else secret + "x"
    assert verify(key(scheme, wrong), headers, BODY, NOW) is Doubt.UNAUTHORISED
    assert verify(key(scheme, wrong, secret), headers, BODY, NOW) is None  # while one is changed for the other
    assert verify(key(scheme, secret), {}, BODY, NOW) is Doubt.UNAUTHORISED
    assert verify(key(scheme, secret), dict.fromkeys(headers, ""), BODY, NOW) is Doubt.UNAUTHORISED
    assert verify(key(scheme), headers, BODY, NOW) is Doubt.UNAUTHORISED


@pytest.mark.parametrize("scheme", [Scheme.STANDARD, Scheme.GITHUB, Scheme.BITBUCKET, Scheme.PAGERDUTY])
def test_a_signature_is_one_of_the_body(scheme: Scheme) -> None:
    headers = prove(scheme, secret_of(scheme), BODY, NOW)
    assert verify(key(scheme, secret_of(scheme)), headers, BODY + b" ", NOW) is Doubt.UNAUTHORISED


@pytest.mark.parametrize(
    ("offset_s", "doubt"),
    [(0, None), (299, None), (-299, None), (301, Doubt.REPLAYED), (-301, Doubt.REPLAYED), (86_400, Doubt.REPLAYED)],
)
def test_an_old_signed_message_is_a_replay(offset_s: int, doubt: Doubt | None) -> None:
    headers = prove(Scheme.STANDARD, STANDARD, BODY, NOW)
    assert verify(key(Scheme.STANDARD, STANDARD), headers, BODY, NOW + timedelta(seconds=offset_s)) is doubt


def test_the_time_of_a_signed_message_is_signed() -> None:
    headers = prove(Scheme.STANDARD, STANDARD, BODY, NOW) | {"webhook-timestamp": "1893456000"}
    assert verify(key(Scheme.STANDARD, STANDARD), headers, BODY, NOW) is Doubt.UNAUTHORISED


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", ["", "x", "-1", "1e9", "9" * 30, "٣", "v2,AAAA"])
def test_odd_parts_of_a_standard_signature_are_refused(name: str, value: str) -> None:
    headers = prove(Scheme.STANDARD, STANDARD, BODY, NOW) | {name: value}
    assert verify(key(Scheme.STANDARD, STANDARD), headers, BODY, NOW) is Doubt.UNAUTHORISED


def test_the_standards_own_example() -> None:
    """https://github.com/standard-webhooks/standard-webhooks: a known message, secret and signature."""
    secret, name = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    body, when = b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, tz=UTC)
    headers = {
        "webhook-id": name,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify(key(Scheme.STANDARD, secret), headers, body, when) is None


def test_githubs_own_example() -> None:
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    found = key(Scheme.GITHUB, "It's a Secret to Everybody")
    assert verify(found, {"x-hub-signature-256": signature}, b"Hello, World!", NOW) is None


def test_one_of_several_signatures_is_enough() -> None:
    good = hmac.new(b"new-secret", BODY, hashlib.sha256).hexdigest()
    header = {"x-pagerduty-signature": f"v1={'0' * 64},v1={good}"}
    assert verify(key(Scheme.PAGERDUTY, "new-secret"), header, BODY, NOW) is None
    many = {"x-pagerduty-signature": ",".join(["v1=" + "0" * 64] * 8 + [f"v1={good}"])}
    assert verify(key(Scheme.PAGERDUTY, "new-secret"), many, BODY, NOW) is Doubt.UNAUTHORISED
    both = prove(Scheme.STANDARD, STANDARD, BODY, NOW)
    both["webhook-signature"] = f"v1,AAAA v2,x {both['webhook-signature']}"
    assert verify(key(Scheme.STANDARD, STANDARD), both, BODY, NOW) is None


@pytest.mark.parametrize(
    "header",
    [
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic",
        "Digest x",
        "Bearer",
        "bearertoken",
        "ü",
    ],
)
def test_odd_authorization_headers_are_refused(header: str) -> None:
    assert verify(key(Scheme.BEARER, "the-token"), {"authorization": header}, b"", NOW) is Doubt.UNAUTHORISED


def test_a_secret_may_have_any_letters() -> None:
    sent = "Schlüssel-€".encode().decode("latin-1")  # as the bytes of a header are read
    assert verify(key(Scheme.GITLAB_TOKEN, "Schlüssel-€"), {"x-gitlab-token": sent}, b"", NOW) is None
    basic = "Basic " + base64.b64encode("me:Schlüssel-€".encode()).decode()
    assert verify(key(Scheme.BEARER, "Schlüssel-€"), {"authorization": basic}, b"", NOW) is None


def test_a_password_may_be_the_token() -> None:
    header = "Basic " + base64.b64encode(b"anybody:the:token").decode()
    assert verify(key(Scheme.BEARER, "the:token"), {"authorization": header}, b"", NOW) is None


@given(scheme=st.sampled_from(list(Scheme)), given_=st.text(max_size=80), body=st.binary(max_size=20))
def test_no_header_at_all_is_believed_by_chance(scheme: Scheme, given_: str, body: bytes) -> None:
    headers = {HEADERS[scheme]: given_, "webhook-id": "x", "webhook-timestamp": str(int(NOW.timestamp()))}
    assert verify(key(scheme, "a-secret-that-nobody-guesses"), headers, body, NOW) is Doubt.UNAUTHORISED


def test_the_stronger_way_in_is_taken_and_cannot_be_avoided() -> None:
    signed, token = key(Scheme.STANDARD, STANDARD), key(Scheme.GITLAB_TOKEN, "token-of-tests")
    both = {"webhook-signature": "v1,x", "x-gitlab-token": "token-of-tests"}
    assert chosen_key((signed, token), both) is signed
    assert chosen_key((signed, token), {"x-gitlab-token": "token-of-tests"}) is token
    assert chosen_key((signed, key(Scheme.GITLAB_TOKEN)), {"x-gitlab-token": "x"}) is None


def test_secrets_come_from_named_variables_with_their_predecessors() -> None:
    values = {name: f"value of {name}" for sender in SENDERS.values() for _, name in sender.keys}
    values |= {f"{name}{PREVIOUS}": f"older {name}" for name in values}

    def read(name: str) -> Secret | None:
        return Secret(values[name]) if name in values else None

    keys = read_keys(read)
    assert keys["github"] == (
        key(Scheme.GITHUB, *(values[f"HEADGATE_GITHUB_WEBHOOK_SECRET{s}"] for s in ("", PREVIOUS))),
    )
    del values["HEADGATE_JENKINS_WEBHOOK_TOKEN"], values[f"HEADGATE_JENKINS_WEBHOOK_TOKEN{PREVIOUS}"]
    assert read_keys(read)["jenkins"][0].secrets[0] == Secret(values[SHARED])
    values.clear()
    assert not any(way.secrets for ways in read_keys(read).values() for way in ways)
