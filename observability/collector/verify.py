"""Whether a webhook comes from who it says: tokens and signatures. Pure, every comparison in constant time.

A sender without a secret is refused as one with a wrong one is. Several secrets may be valid at once, so that one can
be changed without losing a webhook. Where the scheme has a time, an old message is refused: it is a replay.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headgate.secrets import Secret

TOLERANCE_S = 300
"""How far the time of a signed message may be from ours, in both directions (Standard Webhooks' own advice)."""
_STANDARD_PREFIX = "whsec_"


class Scheme(StrEnum):
    """How a sender proves itself."""

    GITLAB_TOKEN = "gitlab_token"  # noqa: S105 - X-Gitlab-Token
    STANDARD = "standard"  # webhook-signature of https://www.standardwebhooks.com
    GITHUB = "github"  # X-Hub-Signature-256
    BITBUCKET = "bitbucket"  # X-Hub-Signature
    PAGERDUTY = "pagerduty"  # X-PagerDuty-Signature, several with commas
    BEARER = "bearer"  # Authorization: Bearer, or Basic with the token as password


SIGNED = frozenset({Scheme.STANDARD, Scheme.GITHUB, Scheme.BITBUCKET, Scheme.PAGERDUTY})
"""Schemes for which the whole body has to be known."""
HEADERS: Mapping[Scheme, str] = {
    Scheme.GITLAB_TOKEN: "x-gitlab-token",
    Scheme.STANDARD: "webhook-signature",
    Scheme.GITHUB: "x-hub-signature-256",
    Scheme.BITBUCKET: "x-hub-signature",
    Scheme.PAGERDUTY: "x-pagerduty-signature",
    Scheme.BEARER: "authorization",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One way in: a scheme with the secrets that are valid for it (the newest first)."""

    scheme: Scheme
    secrets: tuple[Secret, ...]


class Doubt(StrEnum):
    """Why a message was not believed."""

    UNAUTHORISED = "unauthorised"
    REPLAYED = "replayed"


def chosen_key(keys: Sequence[Key], headers: Mapping[str, str]) -> Key | None:
    """The way in that a message tries: the strongest (first) whose header it has; None when it tries none."""
    usable = [key for key in keys if key.secrets and HEADERS[key.scheme] in headers]
    return usable[0] if usable else None


def verify(key: Key, headers: Mapping[str, str], body: bytes, now: datetime) -> Doubt | None:
    """None for a message that is what it says; `body` counts for signatures only."""
    given = headers.get(HEADERS[key.scheme], "")
    secrets = [secret.reveal() for secret in key.secrets]
    if key.scheme is Scheme.STANDARD:
        return _standard(secrets, headers, given, body, now)
    if key.scheme is Scheme.GITLAB_TOKEN:
        good = _any_equal([given], secrets)
    elif key.scheme is Scheme.BEARER:
        good = _any_equal([_credential(given)], secrets)
    else:
        good = _any_equal(_signatures(key.scheme, given), [_hex(secret.encode(), body) for secret in secrets])
    return None if good else Doubt.UNAUTHORISED


def _any_equal(given: Iterable[str], wanted: Sequence[str]) -> bool:
    """Whether one is equal to one; all are compared, and empty texts are equal to nothing.

    Texts of headers are bytes read as Latin-1 (HTTP's own way); a secret with other letters arrives as its UTF-8.
    """
    found = False
    for text in given:
        for secret in wanted:
            same = hmac.compare_digest(text.encode("latin-1", "backslashreplace"), secret.encode())
            found = found or (same and bool(secret))
    return found


def _credential(header: str) -> str:
    """The token of a Bearer header, or the password of a Basic one."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given.strip(), validate=True).decode("latin-1").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _signatures(scheme: Scheme, header: str) -> list[str]:
    """The signatures in a header, hexadecimal. PagerDuty signs with every key that is valid while they change."""
    prefix = "v1=" if scheme is Scheme.PAGERDUTY else "sha256="
    parts = header.split(",")[:8] if scheme is Scheme.PAGERDUTY else [header]
    return [part.strip().removeprefix(prefix).lower() for part in parts if part.strip().startswith(prefix)]


def _hex(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def _standard(
    secrets: Sequence[str], headers: Mapping[str, str], given: str, body: bytes, now: datetime
) -> Doubt | None:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not (sent.isascii() and sent.isdigit() and len(sent) <= 12):
        return Doubt.UNAUTHORISED
    signed = f"{name}.{sent}.".encode("latin-1", "backslashreplace") + body
    wanted = [
        base64.b64encode(hmac.new(_standard_key(secret), signed, hashlib.sha256).digest()).decode()
        for secret in secrets
    ]
    found = [part.removeprefix("v1,") for part in given.split(" ")[:8] if part.startswith("v1,")]
    if not _any_equal(found, wanted):
        return Doubt.UNAUTHORISED
    return Doubt.REPLAYED if abs(now.timestamp() - int(sent)) > TOLERANCE_S else None


def _standard_key(secret: str) -> bytes:
    """The key is the base64 after `whsec_`; a secret in another form is its own bytes."""
    if not secret.startswith(_STANDARD_PREFIX):
        return secret.encode()
    text = secret.removeprefix(_STANDARD_PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()
