"""Secrets are read from the environment or files and never shown."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import ConfigError
from headgate.secrets import MASK, Secret, mask, read_secret

TOKEN = "s3cr3t-value-of-a-token"


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{0:>40}".format, lambda s: f"{s!r}", lambda s: f"{[s]}"])
def test_a_secret_is_masked_however_it_is_shown(shown: object) -> None:
    assert callable(shown)
    text = shown(Secret(TOKEN))
    assert TOKEN not in text
    assert MASK in text


@pytest.mark.parametrize("dump", [pickle.dumps, json.dumps, copy.deepcopy])
def test_a_secret_cannot_be_serialised(dump: object) -> None:
    assert callable(dump)
    with pytest.raises(TypeError):
        dump(Secret(TOKEN))


def test_reveal_gives_the_text() -> None:
    assert Secret(TOKEN).reveal() == TOKEN


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://oauth2:abcdef123@gitlab.example.com/x.git", "abcdef123"),
        ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
        ("GET /x?private_token=abcd1234&y=1", "abcd1234"),
        ("token glpat-abcdefgh12345678 was refused", "glpat-abcdefgh12345678"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl", "eyJzdWIiOiJhZG1pbiJ9"),
        ("X-Amz-Signature=deadbeefdeadbeef&x=1", "deadbeefdeadbeef"),
    ],
)
def test_credentials_in_well_known_forms_are_masked_unregistered(text: str, hidden: str) -> None:
    assert hidden not in mask(text)
    assert MASK in mask(text)


@pytest.mark.parametrize("text", ["a plain sentence", "https://example.com/a:b@c", "token ring", "2 bearers of news"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert mask(text) == text


@given(
    st.text(), st.text(min_size=1, max_size=20).map(lambda text: f"hush-{text}")
)  # a prefix: the register lasts as long as the process
def test_a_registered_secret_never_survives_masking(around: str, value: str) -> None:
    secret = Secret(value)
    masked = mask(f"{around}{secret.reveal()}{around}")
    assert value not in masked.replace(MASK, "")


def test_a_secret_file_is_read_without_its_newline(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    found = read_secret("X_TOKEN", {"X_TOKEN_FILE": str(path)})
    assert found == Secret(TOKEN)


@pytest.mark.parametrize("environ", [{}, {"X_TOKEN": ""}])
def test_no_secret_is_none(environ: dict[str, str]) -> None:
    assert read_secret("X_TOKEN", environ) is None


@pytest.mark.parametrize(
    "environ", [{"X_TOKEN": TOKEN, "X_TOKEN_FILE": "/dev/null"}, {"X_TOKEN_FILE": "/nonexistent/token"}]
)
def test_contradiction_and_unreadable_file_are_errors_that_hide_the_value(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_secret("X_TOKEN", environ)
    assert TOKEN not in str(caught.value)
    assert "X_TOKEN_FILE" in str(caught.value)
