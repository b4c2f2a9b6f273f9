"""A stand-in for Google's token services: exchange of a CI job's identity token, and impersonation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cicd.sandbox.routing import Call, Router
from cicd.sandbox.server import AppServer

if TYPE_CHECKING:
    from starlette.responses import Response

AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/gitlab"


@dataclass(slots=True, kw_only=True)
class GoogleTokens:
    """`exchanged` are the identity tokens that were handed in, `given` the tokens that were given for them.

    `acted_as` are service accounts that tokens were made for.
    """

    url: str
    exchanged: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    acted_as: list[str] = field(default_factory=list)

    def configuration(self, folder: Path, identity: str) -> Path:
        """A configuration of workload identity federation, as `gcloud iam workload-identity-pools` writes it."""
        (folder / "identity.jwt").write_text(identity, "utf-8")
        path = folder / "federation.json"
        content = {
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{self.url}/v1/token",
            "credential_source": {"file": str(folder / "identity.jwt")},
        }
        path.write_text(json.dumps(content), "utf-8")
        return path


@contextmanager
def google_tokens(*, refuse: bool = False) -> Iterator[GoogleTokens]:
    """The stand-in on a loopback port; with `refuse` it knows no identity."""

    def answer(status: int, body: object) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse(body, status)

    def exchange(call: Call) -> Response:
        if refuse or call.value("audience") != AUDIENCE:
            return answer(400, {"error": "invalid_grant", "error_description": "The identity is not accepted."})
        tokens.exchanged.append(call.value("subject_token"))
        tokens.given.append(f"federated-token-{len(tokens.given) + 1}")
        issued = {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer"}
        return answer(200, {"access_token": tokens.given[-1], "expires_in": 3600, **issued})

    def impersonate(call: Call) -> Response:
        if call.headers.get("authorization") not in {f"Bearer {token}" for token in tokens.given}:
            return answer(403, {"error": {"code": 403, "message": "Permission denied"}})
        account = call.args["account"].partition(":")[0]
        tokens.acted_as.append(account)
        expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return answer(200, {"accessToken": f"token-of-{account}", "expireTime": expires})

    router = Router(not_found=lambda _: answer(404, {"error": "not found"}))
    router.add("POST", "/v1/token", exchange)
    router.add("POST", "/v1/projects/-/serviceAccounts/{account}", impersonate)
    with AppServer(router, name="google-tokens") as server:
        tokens = GoogleTokens(url=server.url)
        yield tokens
