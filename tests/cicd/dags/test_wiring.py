"""From configuration and flags to destinations, and from URLs to targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from cicd.config.dags import DagsConfig
from cicd.dags.layout import Layout, overlaps, parse_manifest_name
from cicd.dags.target import open_target, prefix_roots
from cicd.dags.wiring import choose_destinations, describe_run, destination_from_flags
from headgate.errors import ConfigError, UnsafeActionError

CONFIG = DagsConfig.model_validate(
    {"project": "shop", "targets": {"staging": {"bucket": "gs://s/dags"}, "prod": {"bucket": "gs://p/dags"}}}
)


def test_targets_by_name_in_the_order_given() -> None:
    found = choose_destinations(CONFIG, ["prod", "staging", "prod"], every=False)
    assert [(item.environment, item.url, item.project) for item in found] == [
        ("prod", "gs://p/dags", "shop"),
        ("staging", "gs://s/dags", "shop"),
    ]


def test_a_choice_has_to_be_made_for_what_changes_something() -> None:
    with pytest.raises(ConfigError, match=r"2 targets: staging, prod.*--env"):
        choose_destinations(CONFIG, [], every=False)
    assert len(choose_destinations(CONFIG, [], every=True)) == 2


def test_an_unknown_name() -> None:
    with pytest.raises(ConfigError, match=r"no DAG target 'stagign'.*Did you mean 'staging'"):
        choose_destinations(CONFIG, ["stagign"], every=False)
    with pytest.raises(ConfigError, match="Known: staging, prod"):
        choose_destinations(CONFIG, ["x"], every=False)


def test_flags_alone() -> None:
    found = destination_from_flags("gs://b/dags", project=None, source="my/dags", environment=None)
    assert (found.environment, found.configured, found.source, found.project) == (None, False, "my/dags", "dags")
    assert destination_from_flags("gs://b/dags", project="x", source=None, environment="prod").environment == "prod"


def test_flags_have_the_defaults_of_the_file() -> None:
    (configured,) = choose_destinations(
        DagsConfig.model_validate({"targets": {"prod": {"bucket": "gs://b/dags"}}}), [], every=True
    )
    found = destination_from_flags("gs://b/dags", project=None, source=None, environment="prod")
    assert replace(found, configured=True) == configured


@pytest.mark.parametrize(
    ("url", "project", "environment", "where"),
    [
        ("s4://x", None, None, "--target"),
        ("gs://x/d\n", None, None, "--target"),
        ("gs://x/d", "No Caps", None, "--project"),
        ("gs://x/d", "", None, "--project"),
        ("gs://x/d", "a" * 64, None, "--project"),
        ("gs://x/d", "a\n", None, "--project"),
        ("gs://x/d", None, "Prod", "--env"),
    ],
)
def test_flags_that_are_wrong(url: str, project: str | None, environment: str | None, where: str) -> None:
    with pytest.raises(ConfigError, match=where):
        destination_from_flags(url, project=project, source=None, environment=environment)


@pytest.mark.parametrize("timeout_s", [0, -1, 3601, 1e300, float("inf"), float("nan")])
def test_a_bound_of_requests_that_is_none(timeout_s: float) -> None:
    with pytest.raises(ValidationError, match="timeout_s"):
        DagsConfig.model_validate({"targets": {"prod": {"bucket": "gs://b/dags", "timeout_s": timeout_s}}})


@pytest.mark.parametrize(
    "url",
    [
        "gs://", "gs:///dags", "gs://b/a//b", "gs://b/../x", "gs://b/d?x=1", "gs://[b/dags", "file://host/x",
        "http://x/y", "dags",
    ],
)  # fmt: skip
def test_malformed_targets(url: str) -> None:
    with pytest.raises(ConfigError, match="is not a target"):
        open_target(url)


def test_the_root_of_a_bucket_has_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
    for url in ("gs://bucket", "gs://bucket/"):
        with pytest.raises(UnsafeActionError, match=r"root of a bucket.*--allow-root"):
            open_target(url)
        assert open_target(url, allow_root=True).prefix == ""
    with pytest.raises(UnsafeActionError, match="root of the file system"):
        open_target("file:///", allow_root=True)
    with pytest.raises(UnsafeActionError, match="reserved"):
        open_target("file:///srv/.headgate")


def test_a_linked_folder_is_followed_so_that_its_books_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "real/dags").mkdir(parents=True)
    (tmp_path / "current").symlink_to(tmp_path / "real/dags")
    target = open_target(f"file://{tmp_path}/current")
    target.store.write(f"{target.prefix}a.py", b"1", if_generation=0)
    assert (tmp_path / "real/dags/a.py").exists()
    assert (tmp_path / "real/.headgate").is_dir()


@pytest.mark.parametrize("prefix", ["", "dags/", "team a/dags%2F/", "a/b/c/", "é/"])
def test_manifest_names_can_be_read_back(prefix: str) -> None:
    layout = Layout(prefix=prefix, project="shop")
    assert parse_manifest_name(layout.manifest) == layout


@pytest.mark.parametrize(
    "name", [".headgate/manifests/x", ".headgate/manifests/dags/a/b.json", ".headgate/manifests/dags/a.txt"]
)
def test_other_objects_are_no_manifests(name: str) -> None:
    assert parse_manifest_name(name) is None


def test_overlaps() -> None:
    assert overlaps("dags/", "dags/")
    assert overlaps("dags/", "dags/team/")
    assert overlaps("", "dags/")
    assert not overlaps("dags/", "dags2/")
    assert not overlaps("dags/a/", "dags/b/")


def test_names_under_which_the_folder_may_be_imported() -> None:
    assert prefix_roots("dags/team_a/", "src/dags") == ("dags.team_a", "team_a", "src.dags", "dags")
    assert prefix_roots("", ".") == ()


def test_who_is_running() -> None:
    assert (
        describe_run({"CI_JOB_URL": "https://gitlab.example.com/j/1", "USER": "ada"})
        == "https://gitlab.example.com/j/1"
    )
    assert describe_run({"BUILD_URL": "https://jenkins.example.com/1"}) == "https://jenkins.example.com/1"
    assert describe_run({"USER": "ada"}).startswith("ada@")
    assert describe_run({}).startswith("unknown user@")
