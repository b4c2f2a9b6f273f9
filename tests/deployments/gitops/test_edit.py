"""One-line edits: everything but the value stays, byte for byte."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployments.gitops.edit import check_version, parse_key, read_version, set_version
from headgate.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("image:\n  tag: v1 # keep\n", "image.tag", "image:\n  tag: v2 # keep\n"),
        ("image: {repository: x, tag: v1} # c\n", "image.tag", "image: {repository: x, tag: v2} # c\n"),
        ("image:\r\n    tag:   'v1'\r\nb: 1\r\n", "image.tag", "image:\r\n    tag:   'v2'\r\nb: 1\r\n"),
        ('tag: "v1"', "tag", 'tag: "v2"'),
        ("tag: &anchor v1\nother: *anchor\n", "tag", "tag: &anchor v2\nother: *anchor\n"),
        ("tag: !!str v1\n", "tag", "tag: !!str v2\n"),
        ("# h\na: 1\n---\n# two\ntag: v1\n", "tag", "# h\na: 1\n---\n# two\ntag: v2\n"),
        ("c:\n- image: a/b:v1\n- image: a/c:v1\n", "c[1].image", "c:\n- image: a/b:v1\n- image: a/c:v2\n"),
        ("image: host:5000/a/b:v1\n", "image", "image: host:5000/a/b:v2\n"),
        ("image: host:5000/a/b\n", "image", "image: host:5000/a/b:v2\n"),
        ("image: a/b:v1@sha256:" + "0" * 64 + "\n", "image", "image: a/b:v2\n"),
        ('a:\n  "b.c": {d: v1}\n', 'a."b.c".d', 'a:\n  "b.c": {d: v2}\n'),
        ("\ufefftag: v1 # bom\n", "tag", "\ufefftag: v2 # bom\n"),
        ("ä: ö\ntag: v1\n", "tag", "ä: ö\ntag: v2\n"),
        ("{tag: v1}\n", "tag", "{tag: v2}\n"),
        ("tag:\n  v1\n", "tag", "tag:\n  v2\n"),
        ("tag: ''\n", "tag", "tag: 'v2'\n"),
    ],
)
def test_only_the_value_changes(text: str, key: str, expected: str) -> None:
    edit = set_version(text, key, "v2")
    assert edit.text == expected
    assert edit.changed
    assert read_version(edit.text, key) == "v2"
    again = set_version(edit.text, key, "v2")
    assert (again.text, again.changed, again.before) == (expected, False, "v2")


@pytest.mark.parametrize(
    "version", ["1.20", "1", "1e3", "2026-11-21", "on", "null", "0x1f", "1_000", "12e45", "0o17", "y"]
)
def test_what_yaml_would_not_read_as_text_is_quoted(version: str) -> None:
    edit = set_version("tag: v1\n", "tag", version)
    assert edit.text == f'tag: "{version}"\n'
    assert yaml.safe_load(edit.text) == {"tag": version}


def test_digest_takes_the_place_of_a_tag() -> None:
    digest = "sha256:" + "a" * 64
    edit = set_version("image: a/b:v1\n", "image", digest)
    assert edit.text == f"image: a/b@{digest}\n"
    assert read_version(edit.text, "image") == digest
    assert set_version(edit.text, "image", "v1").text == "image: a/b:v1\n"


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("image: {tag: v1}\n", "image.tags", "no key image.tags (found up to image)"),
        ("a: 1\n", "b", "no key b (found up to the top of the file)"),
        ("c: [{image: x}]\n", "c[1].image", "found up to c"),
        ("tag: v1\n---\ntag: v1\n", "tag", "2 times"),
        ("tag: v1\ntag: v2\n", "tag", "written twice"),
        ("a: &x v1\ntag: *x\n", "tag", "is an alias"),
        ("tag: |\n  v1\n", "tag", "not a scalar on one line"),
        ("tag: {a: b}\n", "tag", "not a scalar on one line"),
        ("tag: [v1\n", "tag", "not valid YAML"),
        ("", "tag", "no key tag"),
    ],
)
def test_what_cannot_be_edited_says_why(text: str, key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        set_version(text, key, "v2", where="values.yaml")
    assert "values.yaml" in str(caught.value)


@pytest.mark.parametrize("key", ["", ".", "a.", ".a", "a..b", "[0]", "a[", "a[x]", "a b]", 'a."b', "a[0]b"])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(ConfigError, match="not a dotted key"):
        parse_key(key)


@pytest.mark.parametrize("version", ["", "a b", "a:b", "-x", "a\nb: c", "a" * 200, "ä", "sha256:abc", 'a"b', "a'b"])
def test_versions_that_are_none(version: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a version"):
        check_version(version)


_TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,20}", fullmatch=True)


@given(before=_TAGS, after=_TAGS, quote=st.sampled_from(["", "'", '"']), ending=st.sampled_from(["\n", "\r\n"]))
def test_round_trip_leaves_the_rest(before: str, after: str, quote: str, ending: str) -> None:
    lines = ["# head", "a: [1, 2]  # two", f"image: {{ tag: {quote}{before}{quote} , x: y}} # tail", "z: |", "  text"]
    text = ending.join(lines) + ending
    edit = set_version(text, "image.tag", after)
    assert read_version(edit.text, "image.tag") == after
    changed = [(old, new) for old, new in zip(text.split(ending), edit.text.split(ending), strict=True) if old != new]
    assert len(changed) <= 1
    assert yaml.safe_load(edit.text)["z"] == yaml.safe_load(text)["z"]
