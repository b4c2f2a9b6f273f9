"""Pushes without any key: workload identity federation and impersonation at Google, web identity and profiles at AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from cicd.cli.main import main
from cicd.dags.stores.gcs_auth import ApplicationDefault
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.routing import Call, Router
from cicd.sandbox.s3 import S3Sandbox
from cicd.sandbox.server import AppServer
from headgate.git import Git
from tests.testing.google_tokens import GoogleTokens, google_tokens
from tests.testing.repositories import commit_files, new_repository

if TYPE_CHECKING:
    from starlette.responses import Response

Run = Callable[..., tuple[int, str, str]]
IDENTITY = "identity-token-of-the-ci-job"
ACCOUNT = "deployer@prod.iam.gserviceaccount.com"


@pytest.fixture
def git(tmp_path: Path) -> Git:
    git = new_repository(tmp_path / "repo")
    commit_files(git, {"dags/a.py": "# airflow dag\n"}, "one")
    return git


@pytest.fixture
def run(git: Git, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(git.path)

    def run(*args: str) -> tuple[int, str, str]:
        code = main(["dags", *args])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return run


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleTokens]:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    with google_tokens() as service:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service.configuration(tmp_path, IDENTITY)))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", service.url)
        yield service


def names(sandbox: GcsSandbox, bucket: str) -> list[str]:
    return [item.name for item in sandbox.create_bucket(bucket).list() if item.name.startswith("dags/")]


def test_a_push_by_workload_identity_federation(
    run: Run, tokens: GoogleTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GcsSandbox(buckets=["prod"], token="federated-token-1") as bucket:
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", f"{bucket.url}/storage/v1/")
        code, out, err = run("push", "--target", "gs://prod/dags")
        assert (code, names(bucket, "prod")) == (0, ["dags/a.py"]), err
    assert tokens.exchanged == [IDENTITY]
    assert "federated-token" not in out + err


def test_a_token_that_is_no_longer_accepted_is_exchanged_for_a_new_one(
    run: Run, tokens: GoogleTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GcsSandbox(buckets=["prod"], token="federated-token-2") as bucket:
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", bucket.url)
        assert run("push", "--target", "gs://prod/dags")[0] == 0
        assert names(bucket, "prod") == ["dags/a.py"]
    assert tokens.exchanged == [IDENTITY, IDENTITY]


def test_an_identity_that_google_does_not_know(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    with google_tokens(refuse=True) as service, GcsSandbox(buckets=["prod"], token="never") as bucket:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service.configuration(tmp_path, IDENTITY)))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", bucket.url)
        code, out, err = run("push", "--target", "gs://prod/dags")
    assert (code, out) == (2, "")
    assert "no usable Google credentials" in err
    assert IDENTITY not in err


def test_each_target_acts_as_its_own_account_and_counts_for_its_own_project(
    run: Run, git: Git, tokens: GoogleTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one without an account uses the job's own identity, which this bucket does not let in."""
    targets = {
        "prod": {"bucket": "gs://prod/dags", "impersonate": ACCOUNT, "quota_project": "billing-of-prod"},
        "staging": {"bucket": "gs://staging/dags"},
    }
    (git.path / "headgate.yaml").write_text(
        yaml.safe_dump({"version": 1, "project": "shop", "gates": {}, "dags": {"targets": targets}}), "utf-8"
    )
    with GcsSandbox(buckets=["prod", "staging"], token=f"token-of-{ACCOUNT}") as bucket:
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", bucket.url)
        code, out, _ = run("push", "--all", "-o", "json")
        assert names(bucket, "prod") == ["dags/a.py"]
        assert names(bucket, "staging") == []
    assert code == 2
    assert {part["environment"]: part["exit_code"] for part in json.loads(out)["targets"]} == {"prod": 0, "staging": 2}
    assert tokens.acted_as == [ACCOUNT]


@pytest.fixture
def sts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A stand-in for AWS STS, and an environment without any key; gives the roles that were assumed."""
    assumed: list[str] = []

    def assume(call: Call) -> Response:
        from starlette.responses import Response

        assert call.value("Action") == "AssumeRoleWithWebIdentity"
        assert call.value("WebIdentityToken") == IDENTITY
        assumed.append(call.value("RoleArn"))
        expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        keys = f"<AccessKeyId>ASIA{len(assumed)}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        body = (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<AssumeRoleWithWebIdentityResult><Credentials>{keys}<Expiration>{expires}</Expiration></Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
        return Response(body, media_type="text/xml")

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws.ini"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none.ini"))
    (tmp_path / "identity.jwt").write_text(IDENTITY, "utf-8")
    router = Router(not_found=assume)
    with AppServer(router, name="sts") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        yield assumed


def test_a_push_by_web_identity(run: Run, sts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/deployer")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "identity.jwt"))
    with S3Sandbox(buckets=["prod"]) as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.url)
        code, _, err = run("push", "--target", "s3://prod/dags")
    assert (code, sts) == (0, ["arn:aws:iam::1:role/deployer"]), err


def test_each_target_has_its_own_profile(
    run: Run, git: Git, sts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = [
        f"[profile {name}]\nrole_arn = arn:aws:iam::{number}:role/{name}\nweb_identity_token_file = {tmp_path}/identity.jwt\n"
        for number, name in enumerate(("prod", "staging"))
    ]
    (tmp_path / "aws.ini").write_text("".join(profiles), "utf-8")
    targets = {name: {"bucket": f"s3://{name}/dags", "profile": name} for name in ("prod", "staging")}
    targets["other"] = {"bucket": "s3://prod/other/dags", "profile": "misspelt"}
    path = git.path / "headgate.yaml"
    path.write_text(
        yaml.safe_dump({"version": 1, "project": "shop", "gates": {}, "dags": {"targets": targets}}), "utf-8"
    )
    with S3Sandbox(buckets=["prod", "staging"]) as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.url)
        code, _, err = run("push", "--env", "prod", "--env", "staging")
        assert (code, sts) == (0, ["arn:aws:iam::0:role/prod", "arn:aws:iam::1:role/staging"]), err
        code, _, err = run("push", "--env", "other")
    assert code == 2
    assert "misspelt" in err
    assert "Correct `profile`" in err


def test_the_project_that_requests_count_for_is_named(tokens: GoogleTokens) -> None:
    credentials = ApplicationDefault(impersonate=ACCOUNT, quota_project="billing-of-prod")
    expected = {"Authorization": f"Bearer token-of-{ACCOUNT}", "x-goog-user-project": "billing-of-prod"}
    assert credentials.headers() == expected
    assert tokens.acted_as == [ACCOUNT]


def test_of_requests_that_are_refused_at_once_one_renews_for_all(tokens: GoogleTokens) -> None:
    credentials = ApplicationDefault()
    refused = credentials.headers()
    for _ in range(3):
        credentials.renew(refused)
    assert tokens.given == ["federated-token-1", "federated-token-2"]
    assert credentials.headers() == {"Authorization": "Bearer federated-token-2"}
