"""The event log on a PostgreSQL server: what is its own."""

from __future__ import annotations

import traceback

import pytest

from headgate.errors import AuthenticationError, ConfigError, HeadgateError, UnreachableError
from observability.store import open_store
from tests.testing.delivery import deployed
from tests.testing.postgres import PASSWORD, PASSWORD_IN_URL, USER, Postgres
from tests.testing.private_server import free_port

SECRET = "correct%20horse"


def failed(url: str) -> HeadgateError:
    with pytest.raises(HeadgateError) as raised:
        open_store(url)
    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
    for word in (PASSWORD, PASSWORD_IN_URL, SECRET, "battery"):
        assert word not in told
    return raised.value


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://", "names no database"),
        ("postgres://db.example.com", "names no database"),
        ("postgresql://db:correct%20horse:/x", "cannot be"),
        ("postgresql://me:correct%20horse@db:port/x", "cannot be read"),
    ],
)
def test_bad_urls(url: str, words: str) -> None:
    assert words in str(failed(url))


def test_wrong_password(postgres: Postgres) -> None:
    error = failed(f"postgresql://{USER}:correct%20horse%20battery@127.0.0.1:{postgres.port}/postgres")
    assert isinstance(error, AuthenticationError)
    assert error.where == f"postgresql://{USER}@127.0.0.1:{postgres.port}/postgres"


def test_password_from_the_environment(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres.database() as name:
        bare = f"postgresql://{USER}@127.0.0.1:{postgres.port}/{name}"
        assert isinstance(failed(bare), AuthenticationError)
        monkeypatch.setenv("HEADGATE_DATABASE_PASSWORD", PASSWORD)
        assert open_store(bare).append([deployed("1 09:00")]) == 1


def test_no_such_database(postgres: Postgres) -> None:
    error = failed(postgres.url("nowhere"))
    assert isinstance(error, ConfigError)
    assert "nowhere" in str(error)


def test_no_server() -> None:
    assert isinstance(failed(f"postgresql://me:{PASSWORD_IN_URL}@127.0.0.1:{free_port()}/x"), UnreachableError)


@pytest.mark.parametrize("spelling", ["postgres", "postgresql+psycopg", "postgresql+psycopg2", "PostgreSQL"])
def test_other_spellings(postgres: Postgres, spelling: str) -> None:
    with postgres.database() as name:
        store = open_store(postgres.url(name).replace("postgresql", spelling, 1))
        assert store.append([deployed("1 09:00")]) == 1
        assert store.where == f"postgresql://{USER}@127.0.0.1:{postgres.port}/{name}"


def test_tables_of_others_are_left_alone(postgres: Postgres) -> None:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute("create table invoices (id int)")
        assert open_store(postgres.url(name)).append([deployed("1 09:00")]) == 1
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute("create table events (id int)")
        assert "belongs to something else (tables events)" in str(failed(postgres.url(name)))


def test_several_logs_in_schemas_of_one_database(postgres: Postgres) -> None:
    with postgres.database() as name:
        with postgres.connect(name) as connection:
            connection.execute("create schema one")
            connection.execute("create schema two")
        one, two = (
            open_store(f"{postgres.url(name)}?options=-csearch_path%3D{schema}", busy_timeout_s=0.05)
            for schema in ("one", "two")
        )
        with one.database.writing():  # the other log's writers do not wait for this one
            assert two.append([deployed("1 09:00")]) == 1
        assert list(one.read()) == []


def test_a_role_that_may_only_read_is_told_so(postgres: Postgres) -> None:
    with postgres.database() as name:
        open_store(postgres.url(name)).append([deployed("1 09:00")])
        with postgres.connect(name) as connection:
            connection.execute("drop role if exists reader")
            connection.execute("create role reader login password 'reader-password'")
            connection.execute("grant select on all tables in schema public to reader")
        try:
            url = f"postgresql://reader:reader-password@127.0.0.1:{postgres.port}/{name}"
            store = open_store(url, create=False)
            assert len(list(store.read())) == 1
            with pytest.raises(AuthenticationError, match=r"refuses this user.*permission denied"):
                store.append([deployed("2 09:00")])
        finally:
            with postgres.connect(name) as connection:
                connection.execute("drop owned by reader")
                connection.execute("drop role reader")
