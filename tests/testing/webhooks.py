"""What senders of webhooks do: sign bodies, present tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from observability.collector.verify import HEADERS, Scheme


def prove(scheme: Scheme, secret: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers with which a sender that knows `secret` proves itself."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if scheme is Scheme.STANDARD:
        return _standard(secret, body, int(now.timestamp()))
    values = {
        Scheme.GITLAB_TOKEN: secret,
        Scheme.GITHUB: f"sha256={digest}",
        Scheme.BITBUCKET: f"sha256={digest}",
        Scheme.PAGERDUTY: f"v1={digest}",
        Scheme.BEARER: f"Bearer {secret}",
    }
    return {HEADERS[scheme]: values[scheme]}


def _standard(secret: str, body: bytes, sent: int) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"delivery-1.{sent}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": "delivery-1", "webhook-timestamp": str(sent), "webhook-signature": f"v1,{signature}"}
