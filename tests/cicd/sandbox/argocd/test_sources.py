"""Manifests out of real Git repositories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicd.sandbox.argocd.sources import SourceError, Sources
from headgate.git import Git
from tests.cicd.sandbox.argocd.world import config_map
from tests.testing.repositories import commit_files, new_repository

HEAD = "apiVersion: v1\nkind: ConfigMap\n"
CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: recommender\nversion: 0.1.0\n",
    "chart/values.yaml": "image: {tag: '1.0'}\n",
    "chart/prod.yaml": "image: {tag: '2.0'}\n",
    "chart/templates/all.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"
        "data: {tag: {{ .Values.image.tag | quote }}}\n"
    ),
    "chart/templates/_helpers.yaml": "{{ define }}",
    "chart/templates/NOTES.txt": "{{ if }}",
}


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return new_repository(tmp_path / "env")


@pytest.fixture
def sources() -> Iterator[Sources]:
    sources = Sources()
    yield sources
    sources.close()


def _render(sources: Sources, git: Git, path: str, **source: Any) -> list[dict[str, Any]]:
    commit = git.rev_parse("main")
    return list(sources.render({"repoURL": str(git.path), "path": path, **source}, commit, "reco", "shop").manifests)


def test_a_folder_of_plain_yaml(git: Git, sources: Sources) -> None:
    files = {
        "app/a.yaml": config_map("one") + "---\n" + config_map("two") + "---\n",
        "app/b.json": config_map("three"),
        "app/sub/c.yml": config_map("below"),
        "app/README.md": "not: [a manifest",
    }
    commit_files(git, files, "x")
    names = [item["metadata"]["name"] for item in _render(sources, git, "app")]
    assert names == ["one", "two", "three"]
    deep = [item["metadata"]["name"] for item in _render(sources, git, "app", directory={"recurse": True})]
    assert deep == ["one", "two", "three", "below"]


def test_lists_are_unfolded_and_namespaces_filled_in(git: Git, sources: Sources) -> None:
    text = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: other}}
- {apiVersion: v1, kind: Namespace, metadata: {name: c, namespace: nonsense}}
"""
    commit_files(git, {"app/x.yaml": text}, "x")
    found = [(item["kind"], item["metadata"].get("namespace")) for item in _render(sources, git, "app")]
    assert found == [("ConfigMap", "shop"), ("ConfigMap", "other"), ("Namespace", None)]


def test_a_chart(git: Git, sources: Sources) -> None:
    commit_files(git, CHART, "x")
    commit = git.rev_parse("main")
    rendered = sources.render({"repoURL": str(git.path), "path": "chart"}, commit, "reco", "shop")
    assert rendered.source_type == "Helm"
    assert [(item["metadata"]["name"], item["data"]) for item in rendered.manifests] == [("reco", {"tag": "1.0"})]
    helm = {"valueFiles": ["prod.yaml"], "releaseName": "other"}
    other = _render(sources, git, "chart", helm=helm)
    assert [(item["metadata"]["name"], item["data"]) for item in other] == [("other", {"tag": "2.0"})]
    assert _render(sources, git, "chart", helm={"valuesObject": {"image": {"tag": 3}}})[0]["data"] == {"tag": "3"}


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({"a/x.yaml": "x"}, "b", "b: app path does not exist"),
        ({"a/x.yaml": "x"}, "../etc", "outside repository root"),
        ({"a/x.yaml": f"{HEAD}metadata: {{name: [}}\n"}, "a", 'Failed to unmarshal "x.yaml".*yaml: line 2: did not'),
        (
            {"a/x.yaml": f'{HEAD}metadata: "\n'},
            "a",
            'Failed to unmarshal "x.yaml".*yaml: line [34]: found unexpected end',
        ),
        ({"a/x.yaml": f"{HEAD}metadata: {{name: x}}\n---\na: [}}"}, "a", "Failed to unmarshal"),
        ({"a/x.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {}}"}, "a", "is missing"),
        ({"a/kustomization.yaml": "resources: []"}, "a", "no kustomize"),
        (
            {"a/Chart.yaml": "name: x", "a/templates/t.yaml": "{{ if .Values.x }}"},
            "a",
            "templates/t.yaml: the sandbox's Helm cannot",
        ),
        ({"a/Chart.yaml": "- x"}, "a", "Chart.yaml: a mapping is needed"),
    ],
)
def test_what_cannot_be_rendered_says_why(
    git: Git, sources: Sources, files: dict[str, str], path: str, message: str
) -> None:
    commit_files(git, files, "x")
    with pytest.raises(SourceError, match=message):
        _render(sources, git, path)


@pytest.mark.parametrize("text", ["just text", "a: [}", "kind: ConfigMap\nmetadata: {name: [}\n"])
def test_a_file_that_does_not_look_like_a_manifest_is_passed_over(git: Git, sources: Sources, text: str) -> None:
    commit_files(git, {"a/x.yaml": text, "a/y.yaml": f"{HEAD}metadata: {{name: y}}\n"}, "x")
    assert [item["metadata"]["name"] for item in _render(sources, git, "a")] == ["y"]


def test_a_missing_values_file_is_an_error(git: Git, sources: Sources) -> None:
    commit_files(git, CHART, "x")
    with pytest.raises(SourceError, match=r"nosuch\.yaml: no such file"):
        _render(sources, git, "chart", helm={"valueFiles": ["nosuch.yaml"]})


def test_revisions(git: Git, sources: Sources) -> None:
    first = commit_files(git, {"a": "1"}, "first\n\nBody.")
    git.run("tag", "v1")
    url = str(git.path)
    assert sources.resolve(url, "main") == first
    assert sources.resolve(url, "v1") == first
    assert sources.resolve(url, "") == first
    # A full hash is passed on unread: that it does not exist shows when it is rendered.
    assert sources.resolve(url, "f" * 40) == "f" * 40
    with pytest.raises(SourceError, match="unable to resolve 'nosuch' to a commit SHA"):
        sources.resolve(url, "nosuch")
    with pytest.raises(SourceError, match="unable to resolve"):
        sources.resolve(url, "--upload-pack=x")
    with pytest.raises(SourceError, match=f"not our ref {'f' * 40}"):
        sources.render({"repoURL": url, "path": "."}, "f" * 40, "a", "n")
    assert sources.metadata(url, first)["message"] == "first\n\nBody."
    assert sources.metadata(url, first)["author"] == "Ada Example <ada@example.com>"


def test_a_url_is_mirrored_and_fetched_when_a_branch_is_asked_for(git: Git, tmp_path: Path) -> None:
    first = commit_files(git, {"app/x.yaml": config_map("x", v="1")}, "first")
    url = "ssh://git.example.com/env.git"
    sources = Sources({url: f"git://127.0.0.1:1{tmp_path}"})
    with pytest.raises(SourceError):
        sources.resolve(url, "main")
    sources.locate(url, git.path.as_uri())
    assert sources.resolve(url, "main") == first
    second = commit_files(git, {"app/x.yaml": config_map("x", v="2")}, "second")
    assert sources.resolve(url, "main") == second
    rendered = sources.render({"repoURL": url, "path": "app"}, second, "a", "n")
    assert rendered.manifests[0]["data"] == {"v": "2"}
    sources.close()


def test_a_folder_that_is_no_repository(tmp_path: Path, sources: Sources) -> None:
    with pytest.raises(SourceError):
        sources.resolve(str(tmp_path / "nowhere"), "main")


def test_what_is_rendered_is_the_callers_own(git: Git, sources: Sources) -> None:
    commit_files(git, {"app/x.yaml": config_map("x")}, "x")
    _render(sources, git, "app")[0]["metadata"]["name"] = "changed"
    assert _render(sources, git, "app")[0]["metadata"]["name"] == "x"
