"""The tools that are compared: how each is called, and where it finds the server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.dags.server import Server

BIN = Path(sys.executable).parent
BARE = Path(__file__).with_name("bare.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`command` makes the command line from the checkout, the bucket and the server; `slow` tools run once."""

    name: str
    program: str
    command: Callable[[Path, str, Server], list[str]]
    environ: Callable[[Server, Path], Mapping[str, str]]
    slow: bool = False
    tls: bool = False

    @property
    def installed(self) -> bool:
        return shutil.which(self.program) is not None


def _bare(repo: Path, bucket: str, _: Server) -> list[str]:
    return [sys.executable, str(BARE), str(repo / "dags"), bucket, "dags/"]


def _headgate(_: Path, bucket: str, __: Server) -> list[str]:
    return [str(BIN / "headgate"), "dags", "push", "--source", "dags", "--target", f"gs://{bucket}/dags"]


def _rclone(repo: Path, bucket: str, server: Server) -> list[str]:
    return [
        *("rclone", "sync", str(repo / "dags"), f":gcs:{bucket}/dags", "--checksum", "--fast-list"),
        *("--transfers", "64", "--checkers", "64", "--gcs-anonymous", "--gcs-endpoint", f"{server.url}/storage/v1/"),
    ]


def _gcloud(repo: Path, bucket: str, _: Server) -> list[str]:
    return [
        *("gcloud", "storage", "rsync", "-r", "--checksums-only", "--delete-unmatched-destination-objects", "-q"),
        *(str(repo / "dags"), f"gs://{bucket}/dags"),
    ]


def _gsutil(repo: Path, bucket: str, _: Server) -> list[str]:
    return ["gsutil", "-q", "-m", "rsync", "-r", "-d", "-c", str(repo / "dags"), f"gs://{bucket}/dags"]


def _emulator(server: Server, _: Path) -> Mapping[str, str]:
    return {"STORAGE_EMULATOR_HOST": server.url}


def _google(server: Server, home: Path) -> Mapping[str, str]:
    return {
        "HOME": str(home),
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{server.url}/storage/v1/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": "bench",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
    }


def _boto(server: Server, home: Path) -> Mapping[str, str]:
    """gsutil speaks TLS only; the certificate is our own and not checked."""
    lines = ["[Credentials]"]
    lines += [f"{key} = {value}" for kind in ("gs", "gs_json") for key, value in _host(kind, server).items()]
    lines += ["[Boto]", "https_validate_certificates = False", "[GSUtil]", "prefer_api = json"]
    (home / "boto").write_text("\n".join([*lines, f"state_dir = {home}/gsutil", ""]))
    return {
        "HOME": str(home),
        "BOTO_CONFIG": str(home / "boto"),
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_CORE_PASS_CREDENTIALS_TO_GSUTIL": "false",
    }


def _host(kind: str, server: Server) -> dict[str, str]:
    return {f"{kind}_host": "127.0.0.1", f"{kind}_port": str(server.port)}


TOOLS = (
    Tool(name="bare", program=sys.executable, command=_bare, environ=_emulator),
    Tool(name="headgate", program=str(BIN / "headgate"), command=_headgate, environ=_emulator),
    Tool(name="rclone", program="rclone", command=_rclone, environ=_emulator),
    Tool(name="gcloud", program="gcloud", command=_gcloud, environ=_google, slow=True),
    Tool(name="gsutil", program="gsutil", command=_gsutil, environ=_boto, slow=True, tls=True),
)


def make_certificate(folder: Path) -> Path | None:
    """A certificate for 127.0.0.1 with its key in one file; None without openssl."""
    if shutil.which("openssl") is None:
        return None
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    both = folder / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return both


def environ_for(tool: Tool, server: Server, home: Path) -> dict[str, str]:
    return {**os.environ, **tool.environ(server, home)}
