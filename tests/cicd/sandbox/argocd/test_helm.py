"""The minimal Helm: what it renders as Helm does, and that it refuses the rest."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cicd.sandbox.argocd.helm import HelmError, merge_values, parse_values, release_values, render

CONTEXT = release_values(
    {"name": "recommender", "version": "1.2.3", "appVersion": "7"},
    {"image": {"repository": "shop/recommender", "tag": "1.0"}, "replicas": 4, "on": True, "none": None, "big": 3.0},
    "recommender-prod",
    "shop",
)


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{{ .Values.image.tag }}", "1.0"),
        ("{{.Values.image.tag}}", "1.0"),
        ("image: {{ .Values.image.repository }}:{{ .Values.image.tag }}", "image: shop/recommender:1.0"),
        ("{{ .Values.image.tag | quote }}", '"1.0"'),
        ("{{ .Values.replicas }}", "4"),
        ("{{ .Values.replicas | quote }}", '"4"'),
        ("{{ .Values.on }}", "true"),
        ("{{ .Values.big }}", "3"),
        ("{{ .Values.none | quote }}", '""'),
        ("{{ .Values.image.missing }}", ""),
        ("{{ .Release.Name }}/{{ .Release.Namespace }}", "recommender-prod/shop"),
        ("{{ .Chart.Name }}-{{ .Chart.Version }}", "recommender-1.2.3"),
        ("a{{/* a note */}}b", "ab"),
        ("a \n {{- .Values.replicas -}} \n b", "a4b"),
        ("no action { here }", "no action { here }"),
    ],
)
def test_renders(template: str, rendered: str) -> None:
    assert render(template, CONTEXT, "templates/x.yaml") == rendered


@pytest.mark.parametrize(
    "template",
    [
        "{{ if .Values.on }}x{{ end }}",
        '{{ include "name" . }}',
        '{{ .Values.image.tag | default "x" }}',
        "{{ .Values.image.tag | quote | quote }}",
        "{{ .Values }}",
        "{{ $x := 1 }}",
        '{{ .Files.Get "x" }}',
        "{{ toYaml .Values.image }}",
        "{{ .Values.replicas.deeper }}",
        "{{ .Values.nothing.deeper }}",
    ],
)
def test_refuses_what_it_cannot_render_exactly(template: str) -> None:
    with pytest.raises(HelmError, match=r"templates/x\.yaml: "):
        render(template, CONTEXT, "templates/x.yaml")


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40))
def test_quoting_gives_back_the_text(value: str) -> None:
    context = release_values({}, {"x": value}, "r", "n")
    assert yaml.safe_load(render("{{ .Values.x | quote }}", context, "f")) == value


def test_later_values_win_and_objects_merge() -> None:
    merged = merge_values({"a": {"b": 1, "c": 2}, "d": 1}, {"a": {"b": 3}, "d": {"e": 1}}, {})
    assert merged == {"a": {"b": 3, "c": 2}, "d": {"e": 1}}


def test_values_files() -> None:
    assert parse_values("", "values.yaml") == {}
    assert parse_values("a: 1", "values.yaml") == {"a": 1}
    with pytest.raises(HelmError, match="a mapping is needed, not list"):
        parse_values("- a", "values.yaml")
    with pytest.raises(HelmError, match=r"values\.yaml: cannot load values"):
        parse_values("a: [", "values.yaml")
