"""`headgate release start --on jenkins`: the delivery job of this repository runs the release in the sandbox."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicd.cli.main import main
from cicd.sandbox.jenkins.sandbox import JenkinsSandbox
from headgate.exit_codes import ExitCode
from tests.testing.release_world import ReleaseWorld, release_world
from tests.testing.repositories import commit_files, new_repository

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseWorld]:
    with release_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(scope="module")
def jenkins(world: ReleaseWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JenkinsSandbox]:
    root = tmp_path_factory.mktemp("jenkins")
    with JenkinsSandbox(root / "home", extra_path=[Path(sys.executable).parent]) as sandbox:
        config = world.config.read_text()
        world.config.write_text(
            config.replace("deploy:\n", f"deploy:\n  jenkins: {{url: '{sandbox.url}', job: shop/deliver}}\n", 1)
        )
        source = new_repository(root / "platform")
        commit_files(source, {"headgate.yaml": world.config.read_text()}, "platform")
        sandbox.credentials["headgate-argocd-token"] = world.environ["HEADGATE_ARGOCD_TOKEN"]
        sandbox.credentials["headgate-gitlab-token"] = "not-used-here"
        sandbox.create_job(
            "shop/deliver",
            repo=str(source.path),
            jenkinsfile=ROOT / "Jenkinsfile",
            environment={"KUBECONFIG": world.environ["KUBECONFIG"], "PYTHONPATH": str(ROOT)},
            parameters=["SERVICE", "ENVIRONMENT", "VERSION", "SOURCE_REPO", "SOURCE_COMMIT", "HEADGATE_REQUEST"],
        )
        yield sandbox


def _start(world: ReleaseWorld, version: str, *more: str) -> int:
    command = ["--config", str(world.config), "release", "start", "reco", "--env", "prod", "--version", version]
    return main([*command, "--on", "jenkins", *more])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "error_ratio", "code"), [("5.0.0", 0.0, ExitCode.PASS), ("5.1.0", 0.3, ExitCode.FAIL)]
)
def test_build_translates_how_the_release_ended(
    world: ReleaseWorld,
    jenkins: JenkinsSandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str,
    error_ratio: float,
    code: ExitCode,
) -> None:
    monkeypatch.setenv("HEADGATE_JENKINS_USER", jenkins.user)
    monkeypatch.setenv("HEADGATE_JENKINS_TOKEN", jenkins.token)
    world.publish(version, error_ratio=error_ratio)
    assert _start(world, version, "--source-commit", "d" * 40, "-o", "json") == code
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert (data["exit_code"], data["version"]) == (code, version)
    assert data["url"].startswith(jenkins.url)
    assert "error ratio" in err
    assert any(f"Release reco {version}" in text and f"Source-Commit: {'d' * 40}" in text for text in world.messages())


def test_jenkins_must_be_configured_and_reachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: ReleaseWorld
) -> None:
    lines = [line for line in world.config.read_text().splitlines() if "jenkins:" not in line]
    config = tmp_path / "headgate.yaml"
    config.write_text("\n".join(lines))
    command = [
        "--config",
        str(config),
        "release",
        "start",
        "reco",
        "--env",
        "prod",
        "--version",
        "1",
        "--on",
        "jenkins",
    ]
    assert main(command) == ExitCode.USAGE
    assert "no Jenkins is configured" in capsys.readouterr().err
    config.write_text(
        "\n".join(lines).replace("deploy:", "deploy:\n  jenkins: {url: 'http://127.0.0.1:1', job: shop/deliver}", 1)
    )
    monkeypatch.setenv("HEADGATE_JENKINS_USER", "ada")
    monkeypatch.delenv("HEADGATE_JENKINS_TOKEN", raising=False)
    assert main(command) == ExitCode.USAGE
    assert "HEADGATE_JENKINS_TOKEN is not set" in capsys.readouterr().err
