"""URLs and names of tables as users write them, and which engine they mean."""

from __future__ import annotations

import traceback
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.quality.engines.open import engine_of, open_batch
from gates.quality.engines.url import parse_table, parse_url
from headgate.errors import ConfigError
from headgate.secrets import Secret, mask


def test_all_parts() -> None:
    url = parse_url("postgresql+psycopg://a%20user:p%40ss%2Fword@Host.example:5433/my%20db?sslmode=require")
    assert (url.scheme, url.user, url.host, url.port, url.path) == (
        "postgresql",
        "a user",
        "Host.example",
        5433,
        "my db",
    )
    assert url.options == {"sslmode": "require"}
    assert url.password is not None
    assert url.password.reveal() == "p@ss/word"
    assert url.shown == "postgresql://a user@Host.example:5433/my db"


def test_a_password_is_in_no_text() -> None:
    url = parse_url("mysql://u:very-secret%21@h/d?ssl_key=x&password=another-secret")
    for text in (repr(url), str(url), url.shown, mask("failed: very-secret! and very-secret%21 and another-secret")):
        assert "very-secret" not in text
    assert "another-secret" not in mask("another-secret")


def test_a_password_from_elsewhere_is_used_where_the_url_has_none() -> None:
    other = Secret("from-elsewhere")
    assert parse_url("mysql://u@h/d", other).password == other
    assert parse_url("mysql://u:own-password@h/d", other).password != other


@pytest.mark.parametrize("text", ["postgresql://u:half-secret/rest@h/d", "postgresql://[::1/d", "mysql://h:99999/d"])
def test_a_url_that_cannot_be_read_is_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_url(text)
    assert "half-secret" not in "".join(traceback.format_exception(caught.value))


def test_an_address_in_brackets() -> None:
    url = parse_url("postgresql://[::1]:5432/d")
    assert (url.host, url.port) == ("::1", 5432)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("orders", ("orders",)),
        ("public.orders", ("public", "orders")),
        ('"a.b"."c"', ("a.b", "c")),
        ('"say ""hi"""', ('say "hi"',)),
        ('a."b"', ("a", "b")),
        ("two words.orders", ("two words", "orders")),
        ('half"quoted', ('half"quoted',)),
        ("'; drop table x; --", ("'; drop table x; --",)),
        ("ends.", ("ends.",)),
        (".starts", (".starts",)),
        ('"open', ('"open',)),
        ("new\nline", ("new\nline",)),
    ],
)
def test_names_of_tables(name: str, parts: tuple[str, ...]) -> None:
    assert parse_table(name) == parts


@pytest.mark.parametrize("name", [None, "", "a.b.c", "nul\0"])
def test_names_that_are_none(name: str | None) -> None:
    with pytest.raises(ConfigError):
        parse_table(name)


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1, max_size=3))
def test_every_name_in_double_quotes_is_read_as_it_is(parts: list[str]) -> None:
    written = ".".join('"' + part.replace('"', '""') + '"' for part in parts)
    assert parse_table(written, parts=3) == tuple(parts)


@pytest.mark.parametrize(
    ("data", "engine", "expected"),
    [
        ("data/orders/*.parquet", None, "duckdb"),
        ("data/orders.csv", "spark", "spark"),
        ("file:///data/orders.csv", None, "duckdb"),
        ("postgres://h/d", None, "postgres"),
        ("postgresql+psycopg://h/d", None, "postgres"),
        ("MARIADB://h/d", None, "mysql"),
        ("mysql+pymysql://h/d", "mysql", "mysql"),
        ("sqlite:///x.db", None, "sqlite"),
        ("duckdb:///x.db", None, "duckdb"),
        ("bigquery://p/d", None, "bigquery"),
        ("trino://h/c/s", None, "trino"),
        ("snowflake://a/d/s", None, "snowflake"),
        ("spark://local", None, "spark"),
    ],
)
def test_which_engine(data: str, engine: str | None, expected: str) -> None:
    assert engine_of(data, engine) == expected


@pytest.mark.parametrize(
    ("data", "engine", "message"),
    [
        ("oracle://h/d", None, "no engine for oracle"),
        ("postgresql://h/d", "spark", "engine postgres, not spark"),
        ("orders.csv", "trino", "does not read files"),
        ("orders.csv", "nonsense", "does not read files"),
    ],
)
def test_which_engine_is_none(data: str, engine: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_batch(data, engine=engine)


@pytest.mark.parametrize(("module", "url"), [("trino", "trino://h/c/s"), ("snowflake", "snowflake://a/d/s")])
def test_a_client_that_is_not_installed_is_named(module: str, url: str) -> None:
    if find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(ConfigError, match=rf"headgate\[{module}\]"):
        open_batch(url, table="t")
