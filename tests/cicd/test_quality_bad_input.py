"""Bad data and bad suites, end to end: a message, exit code 2 or 4, never a PASS, and nothing left behind.

Every case runs the command in a process of its own, whose temporary folder is empty before and after.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.testing.mariadb import MariaDb
from tests.testing.postgres import Postgres
from tests.testing.private_server import NotAvailableError

NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}
UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def expectation(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs}


def write_suite(folder: Path, *expectations: Mapping[str, Any], name: str = "suite.json") -> str:
    (folder / name).write_text(json.dumps({"name": "s", "expectations": list(expectations)}))
    return name


def quality(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, before: Callable[[], None] | None = None
) -> Done:
    """`headgate quality run` in `folder`; `before` is called in the child, for limits of the operating system."""
    return ended(started(folder, *arguments, environ=environ, before=before), folder)


def started(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, before: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    (folder / "tmp").mkdir(exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "CI"))}
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "cicd", "quality", "run", *arguments],
        cwd=folder,
        env=clean | {"PYTHONPATH": root, "TMPDIR": str(folder / "tmp")} | dict(environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,  # noqa: PLW1509 - no thread here holds a lock that the child needs
    )


def ended(process: subprocess.Popen[str], folder: Path) -> Done:
    with process:
        out, err = process.communicate(timeout=240)
    assert "Traceback" not in err + out
    assert list((folder / "tmp").iterdir()) == [], "left behind"
    return Done(code=process.returncode, out=out, err=err)


def refused(done: Done, code: int, *said: str) -> None:
    """Nothing on stdout that could be taken for a result, and one paragraph that says what and where."""
    assert done.code == code, done.err
    assert done.out == ""
    assert done.err.startswith("headgate: error: ")
    assert len(done.err.splitlines()) == 1
    for text in said:
        assert text in done.err


def undecided(done: Done, *said: str) -> None:
    """A result without a success whose expectations say why they were not judged."""
    assert done.code == 4, done.err
    assert done.document["success"] is False
    messages = " ".join(str(result["exception_info"].get("exception_message")) for result in done.document["results"])
    for text in said:
        assert text in messages + done.err


# -- the data ----------------------------------------------------------------------------------------------------------


def no_file(folder: Path) -> str:
    return str(folder / "gone.parquet")


def no_match(folder: Path) -> str:
    return str(folder / "*.parquet")


def no_name(folder: Path) -> str:
    """A variable that is not set: never the folder one happens to be in."""
    parquet(folder, "SELECT 1 AS id")
    return ""


def empty_folder(folder: Path) -> str:
    (folder / "empty").mkdir()
    return str(folder / "empty")


def corrupt_parquet(folder: Path) -> str:
    path = parquet(folder, "SELECT range AS id FROM range(100000)")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return str(path)


def damaged_pages(folder: Path) -> str:
    """The footer is whole; what it points at is not."""
    path = parquet(folder, "SELECT hash(range) AS id FROM range(100000)")
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(content)
    return str(path)


def no_data_at_all(folder: Path) -> str:
    (folder / "a.parquet").write_bytes(b"")
    return str(folder / "a.parquet")


def unknown_format(folder: Path) -> str:
    (folder / "orders.xlsx").write_bytes(b"PK")
    return str(folder / "orders.xlsx")


def different_columns(folder: Path) -> str:
    parquet(folder, "SELECT 1 AS id, 2 AS amount", "a.parquet")
    parquet(folder, "SELECT 1 AS id", "b.parquet")
    return str(folder / "*.parquet")


def different_formats(folder: Path) -> str:
    parquet(folder, "SELECT 1 AS id")
    (folder / "b.csv").write_text("id\n1\n")
    return str(folder / "*.[pc]*")


def truncated_gzip(folder: Path) -> str:
    import gzip

    (folder / "a.csv.gz").write_bytes(gzip.compress(b"id\n" + b"1\n" * 100_000)[:60])
    return str(folder / "a.csv.gz")


def cut_off_zstd(folder: Path) -> str:
    """A reader that does not look sees fewer rows, and nothing else."""
    whole = csv_rows(folder, "whole.csv.zst")
    (folder / "a.csv.zst").write_bytes(whole.read_bytes()[:-20_000])
    whole.unlink()
    return str(folder / "a.csv.zst")


def damaged_gzip(folder: Path) -> str:
    """Everything can be unpacked; only the checksum says that it is not what was packed."""
    import gzip

    data = bytearray(gzip.compress(b"id\n" + b"".join(b"%d\n" % number for number in range(10_000))))
    data[-8] ^= 0xFF
    (folder / "a.csv.gz").write_bytes(data)
    return str(folder / "a.csv.gz")


def csv_rows(folder: Path, name: str) -> Path:
    with duckdb.connect() as connection:
        query = "SELECT range AS id, hash(range) AS v FROM range(20000)"
        connection.execute(f"COPY ({query}) TO '{folder / name}' (FORMAT csv)")
    return folder / name


def garbage_as_csv(folder: Path) -> str:
    return garbage(folder / "a.csv")


def garbage_as_json_lines(folder: Path) -> str:
    return garbage(folder / "a.jsonl")


def garbage_as_parquet(folder: Path) -> str:
    return garbage(folder / "a.parquet")


def garbage(path: Path) -> str:
    path.write_bytes(bytes((number * number * 37 + number // 7) % 256 for number in range(20_000)))
    return str(path)


def another_encoding(folder: Path) -> str:
    (folder / "a.csv").write_bytes("id,name\n1,café\n".encode("latin-1"))
    return str(folder / "a.csv")


def named_pipe(folder: Path) -> str:
    os.mkfifo(folder / "a.csv")
    return str(folder / "a.csv")


def folder_with_the_name_of_a_file(folder: Path) -> str:
    (folder / "a.parquet").mkdir()
    return str(folder / "a.parquet")


def link_to_itself(folder: Path) -> str:
    (folder / "a.csv").symlink_to("a.csv")
    return str(folder / "a.csv")


def only_a_header(folder: Path) -> str:
    (folder / "a.csv").write_text("id,name\n")
    return str(folder / "a.csv")


def rows_of_different_length(folder: Path) -> str:
    (folder / "a.csv").write_text("id,name\n1,a\n2\n3,c,d\n")
    return str(folder / "a.csv")


def broken_json(folder: Path) -> str:
    (folder / "a.jsonl").write_text('{"id": 1}\n{"id": \n')
    return str(folder / "a.jsonl")


def parquet(folder: Path, query: str, name: str = "a.parquet") -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{folder / name}' (FORMAT parquet)")
    return folder / name


@pytest.mark.parametrize(
    "data",
    [
        no_file,
        no_match,
        no_name,
        empty_folder,
        corrupt_parquet,
        damaged_pages,
        no_data_at_all,
        unknown_format,
        different_columns,
        different_formats,
        truncated_gzip,
        cut_off_zstd,
        damaged_gzip,
        garbage_as_csv,
        garbage_as_json_lines,
        garbage_as_parquet,
        another_encoding,
        named_pipe,
        folder_with_the_name_of_a_file,
        link_to_itself,
        only_a_header,
        rows_of_different_length,
        broken_json,
    ],
)
def test_data_that_cannot_be_read_is_said_and_never_passes(tmp_path: Path, data: Callable[[Path], str]) -> None:
    done = quality(tmp_path, write_suite(tmp_path, NOT_NULL, UNIQUE), "--data", data(tmp_path), "-o", "json")
    assert done.code in {2, 4}, done.out + done.err
    assert done.err.strip()
    if done.out:
        undecided(done)
    else:
        refused(done, done.code)


def test_ten_thousand_files_are_one_table(tmp_path: Path) -> None:
    first = parquet(tmp_path, "SELECT range AS id, 'x' AS name FROM range(3)")
    (tmp_path / "many").mkdir()
    for number in range(10_000):
        os.link(first, tmp_path / "many" / f"{number:05}.parquet")
    suite = write_suite(tmp_path, NOT_NULL, expectation("expect_table_row_count_to_equal", value=30_000))
    done = quality(tmp_path, suite, "--data", "many", "-o", "json")
    assert (done.code, done.document["success"]) == (0, True), done.err


def test_a_type_error_at_row_9_999_999_is_no_answer(tmp_path: Path) -> None:
    rows = "SELECT CASE WHEN range = 9999999 THEN 'x' ELSE range::VARCHAR END AS id FROM range(10000000)"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({rows}) TO '{tmp_path}/a.csv' (HEADER)")
    between = expectation("expect_column_values_to_be_between", column="id", min_value=0)
    done = quality(tmp_path, write_suite(tmp_path, NOT_NULL, between), "--data", "a.csv", "-o", "json")
    refused(done, 4, "a.csv", "Line: 10000001", "BIGINT")


def test_an_empty_batch_never_passes_unless_it_may(tmp_path: Path) -> None:
    data = str(parquet(tmp_path, "SELECT 1 AS id WHERE false"))
    suite = write_suite(tmp_path, NOT_NULL)
    done = quality(tmp_path, suite, "--data", data, "-o", "json")
    assert (done.code, done.document["success"]) == (4, False)
    assert "0 rows" in done.err or "did not pass" in done.err
    assert quality(tmp_path, suite, "--data", data, "--allow-empty", "-o", "json").code == 0


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    for name, text in (("a.csv", "id,name\n1,a\n"), ("b.jsonl", '{"id": 1}\n')):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        done = quality(tmp_path, write_suite(tmp_path, NOT_NULL), "--data", name, "-o", "json")
        assert (done.code, done.document["success"]) == (0, True), done.err


# -- the suite ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(tmp_path: Path) -> str:
    return str(parquet(tmp_path, "SELECT range AS id, 'a' || range AS name FROM range(50)"))


def test_a_column_that_is_not_there(tmp_path: Path, orders: str) -> None:
    suite = write_suite(tmp_path, NOT_NULL, expectation("expect_column_values_to_be_unique", column="gone"))
    done = quality(tmp_path, suite, "--data", orders, "-o", "json")
    undecided(done, "gone")
    assert [result["success"] for result in done.document["results"]] == [True, False]


def test_a_regex_that_the_engine_cannot_say_is_not_approximated(tmp_path: Path, orders: str) -> None:
    suite = write_suite(
        tmp_path,
        expectation("expect_column_values_to_match_regex", column="name", regex="^a(?=[0-9])"),
        expectation("expect_column_values_to_match_regex", column="name", regex="(?<=b)1"),
    )
    done = quality(tmp_path, suite, "--data", orders, "-o", "json")
    assert [result["success"] for result in done.document["results"]] == [True, False], done.err
    assert (done.code, done.document["results"][1]["result"]["unexpected_count"]) == (1, 50)


def test_a_regex_that_is_none(tmp_path: Path, orders: str) -> None:
    broken = expectation("expect_column_values_to_match_regex", column="name", regex="(unclosed")
    undecided(quality(tmp_path, write_suite(tmp_path, broken), "--data", orders, "-o", "json"))


def test_a_suite_of_200_mb_is_refused_unread(tmp_path: Path, orders: str) -> None:
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(200 * 2**20)
    refused(quality(tmp_path, "huge.json", "--data", orders), 2, "huge.json", "larger than")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "suite.json:1: the suite is not JSON"),
        ("[]", "not a JSON object"),
        ('{"name": "s"}', "expectations"),
        ('{"name": "s",\n "expectations": [{"kwargs": {}}]}', "suite.json:2"),
        ('{"expectation_suite_name": "s", "expectations": []}', "Great Expectations 0.x"),
        ('{"name": "s", "expectations": [{"type": "expect_column_to_exist", "severity": "fatal"}]}', "severity"),
        ("[" * 100_000, "suite.json"),
    ],
)
def test_a_broken_suite_names_file_and_line(tmp_path: Path, orders: str, text: str, said: str) -> None:
    (tmp_path / "suite.json").write_text(text)
    refused(quality(tmp_path, "suite.json", "--data", orders), 2, said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nexpectations: [*b, *b]\n", "suite.yaml:2: the suite has YAML aliases"),
        ("expectations: " + "[" * 50_000, "suite.yaml:1: the suite is nested too deeply"),
        ("expectations: !!python/object/apply:os.system ['touch pwned']\n", "suite.yaml:1: the suite is not YAML"),
        ("name: s\nexpectations:\n\t- type: t\n", "suite.yaml:3"),
    ],
)
def test_a_broken_suite_in_yaml_names_file_and_line(tmp_path: Path, orders: str, text: str, said: str) -> None:
    (tmp_path / "suite.yaml").write_text(text)
    refused(quality(tmp_path, "suite.yaml", "--data", orders), 2, said)
    assert not (tmp_path / "pwned").exists()


def test_a_suite_that_is_no_file(tmp_path: Path, orders: str) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    refused(quality(tmp_path, "pipe.json", "--data", orders), 2, "pipe.json", "named pipe")
    refused(quality(tmp_path, "/dev/zero", "--data", orders), 2, "larger than")
    done = quality(tmp_path, "tmp", "--data", orders)
    assert (done.code, done.out) == (2, "")
    assert "is a directory" in done.err


def test_arguments_that_no_expectation_takes_are_errors_of_theirs(tmp_path: Path, orders: str) -> None:
    """NaN and Infinity, which JSON does not have and Python writes, among them."""
    nan, between = float("nan"), "expect_column_values_to_be_between"
    wrong: list[dict[str, Any]] = [
        expectation(between, column=["id"], min_value=0),
        expectation(between, column="id", min_value={"a": 1}),
        expectation(between, column="id", min_value=0, mostly=1.5),
        expectation(between, column="id", min_value=0, mostly=-0.1),
        expectation(between, column="id", min_value=0, mostly=nan),
        expectation(between, column="id", min_value=0, mostly="most"),
        expectation(between, column="id", min_value=0, row_condition={"type": "nonsense"}),
        expectation(between, column="id", min_value=0, row_condition=7),
        expectation("expect_column_values_to_be_in_set", column="id", value_set="abc"),
        expectation("expect_table_row_count_to_equal", value="many"),
        expectation("expect_compound_columns_to_be_unique", column_list="id"),
        expectation("expect_column_quantile_values_to_be_between", column="id", quantile_ranges=[]),
        expectation("expect_column_values_to_be_unique", column="id\0"),
        expectation("expect_column_values_to_be_in_set", column="name", value_set=["\ud800"]),
        expectation("expect_column_values_to_match_regex", column="name", regex="\ud800+"),
    ]
    fail = [
        expectation(between, column="id", min_value=nan),
        expectation(between, column="id", min_value=float("inf")),
        expectation("expect_column_mean_to_be_between", column="id", min_value=nan, max_value=100),
        expectation("expect_column_values_to_be_in_set", column="name", value_set=["\0", [1], {"a": 2}]),
    ]
    done = quality(tmp_path, write_suite(tmp_path, *wrong, *fail), "--data", orders, "-o", "json")
    assert done.out, done.err
    raised = [result["exception_info"]["raised_exception"] for result in done.document["results"]]
    assert raised == [True] * len(wrong) + [False] * len(fail)
    assert not any(result["success"] for result in done.document["results"])
    assert done.code == 1, done.err


def test_a_suite_that_is_not_there(tmp_path: Path, orders: str) -> None:
    done = quality(tmp_path, "gone.json", "--data", orders)
    refused(done, 2, "gone.json")


def test_a_suite_without_expectations_never_passes(tmp_path: Path, orders: str) -> None:
    done = quality(tmp_path, write_suite(tmp_path), "--data", orders, "-o", "json")
    assert (done.code, done.document["success"]) == (4, False)
    assert "no expectations" in done.err


def test_types_that_nobody_knows_are_errors_and_take_no_other_with_them(tmp_path: Path, orders: str) -> None:
    kinds = ("expect_column_values_to_be_nice", "expect_", "no expectation at all")
    suite = write_suite(tmp_path, NOT_NULL, *(expectation(kind, column="id") for kind in kinds))
    done = quality(tmp_path, suite, "--data", orders, "-o", "json")
    undecided(done)
    assert [result["success"] for result in done.document["results"]] == [True, False, False, False]


HOSTILE = ['id"); DROP TABLE batch; --', "a'b", "select", "`x`", "x\\", "[y]", "é\u202e", "a.b", "{batch}", "%s", ":p"]


def test_sql_in_names_and_values_is_only_text(tmp_path: Path) -> None:
    columns = ", ".join(f'range AS "{name.replace(chr(34), chr(34) * 2)}"' for name in HOSTILE)
    data = str(parquet(tmp_path, f"SELECT {columns}, 'x' AS v FROM range(30)"))
    values = ["'; DROP TABLE batch; --", "x", "x' OR '1'='1"]
    suite = write_suite(
        tmp_path,
        *(expectation("expect_column_values_to_be_unique", column=name) for name in HOSTILE),
        *(expectation("expect_column_values_to_be_between", column=name, max_value=29) for name in HOSTILE),
        expectation("expect_column_values_to_be_in_set", column="v", value_set=values),
        expectation("expect_column_values_to_be_in_set", column="v", value_set=["x' OR '1'='1"]),
    )
    done = quality(tmp_path, suite, "--data", data, "-o", "json")
    assert [result["success"] for result in done.document["results"]] == [True] * 23 + [False], done.err
    assert done.code == 1


@pytest.mark.parametrize("parameter", ["x", "=3", ""])
def test_a_parameter_needs_name_and_value(tmp_path: Path, orders: str, parameter: str) -> None:
    done = quality(tmp_path, write_suite(tmp_path, NOT_NULL), "--data", orders, "--parameter", parameter)
    assert (done.code, done.out) == (2, "")
    assert "NAME=VALUE" in done.err


# -- databases ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked_duckdb(tmp_path: Path) -> Iterator[str]:
    """A DuckDB file that another process holds open for writing."""
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE t AS SELECT 1 AS id');"
        "print('open', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "shop.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "open\n"
        yield f"duckdb:///{path}"
        holder.stdin.close()


def test_a_locked_duckdb_file(tmp_path: Path, locked_duckdb: str) -> None:
    done = quality(tmp_path, write_suite(tmp_path, NOT_NULL), "--data", locked_duckdb, "--table", "t", "-o", "json")
    refused(done, 4, "lock")


def test_a_locked_sqlite_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id INTEGER)")
        connection.execute("INSERT INTO t VALUES (1)")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    arguments = ("--data", f"sqlite:///{path}", "--table", "t", "--timeout", "4", "-o", "json")
    done = quality(tmp_path, write_suite(tmp_path, NOT_NULL), *arguments)
    connection.close()
    assert done.code == 4
    assert "lock" in done.err + done.out


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        ("oracle://db/x", 2, "no engine for oracle://"),
        ("sqlite:///gone.db", 2, "gone.db"),
        ("duckdb:///gone.duckdb", 2, "gone.duckdb"),
        ("postgresql://user@127.0.0.1:9/shop", 4, "127.0.0.1"),
        ("mysql://user@127.0.0.1:9/shop", 4, "127.0.0.1"),
        ("postgresql://user:hunter2@127.0.0.1:9/shop", 4, "127.0.0.1"),
        ("postgresql://user@[::1/shop", 2, ""),
    ],
)
def test_a_database_that_cannot_be_asked(tmp_path: Path, data: str, code: int, said: str) -> None:
    done = quality(tmp_path, write_suite(tmp_path, NOT_NULL), "--data", data, "--table", "t", "-o", "json")
    refused(done, code, said)
    assert "hunter2" not in done.err


def test_a_server_that_hangs_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.recv(64)
                connection.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        data = f"postgresql://user@127.0.0.1:{server.getsockname()[1]}/shop"
        done = quality(tmp_path, write_suite(tmp_path, NOT_NULL), "--data", data, "--table", "t", "-o", "json")
        server.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=60)
    refused(done, 4)


def test_a_server_of_mysql_that_dies_in_the_middle(tmp_path: Path) -> None:
    try:
        server = MariaDb()
    except NotAvailableError as error:
        pytest.skip(str(error))
    with closing(server), server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE shop")
        cursor.execute("CREATE TABLE shop.fast AS SELECT 1 AS id UNION ALL SELECT NULL")
        cursor.execute("CREATE VIEW shop.slow AS SELECT id + SLEEP(120) AS id FROM shop.fast")
        arguments = ("--data", server.url("shop"), "--table", "slow", "-o", "json")
        process = started(tmp_path, write_suite(tmp_path, NOT_NULL), *arguments)

        def asked() -> bool:
            cursor.execute(
                "SELECT 1 FROM information_schema.processlist WHERE info LIKE '%slow%' AND state = 'User sleep'"
            )
            return cursor.fetchone() is not None

        eventually(asked)
        server.kill()
        done = ended(process, tmp_path)
    refused(done, 4, "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of its own: it is killed."""
    try:
        postgres = Postgres()
    except NotAvailableError as error:
        pytest.skip(str(error))
    yield postgres
    postgres.close()


def test_a_server_that_dies_in_the_middle(tmp_path: Path, server: Postgres) -> None:
    with server.connect() as connection:
        connection.execute("CREATE VIEW slow AS SELECT CASE WHEN pg_sleep(120) IS NULL THEN 1 ELSE 2 END AS id")
        arguments = ("--data", server.url(), "--table", "slow", "-o", "json")
        process = started(tmp_path, write_suite(tmp_path, NOT_NULL), *arguments)
        asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%slow%' AND pid <> pg_backend_pid()"
        eventually(lambda: connection.execute(asked).fetchone() != (0,))
        server.kill()
    done = ended(process, tmp_path)
    refused(done, 4)
    assert "127.0.0.1" in done.err


# -- limits ------------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_while_spilling(tmp_path: Path) -> None:
    """No file of the child may grow beyond 1 MB: every write of a spill file fails, as on a full disk."""
    data = str(parquet(tmp_path, "SELECT hash(range)::VARCHAR || hash(-range) AS id FROM range(2000000)"))
    wanted = [UNIQUE, expectation("expect_column_unique_value_count_to_be_between", column="id", max_value=5)]

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))

    arguments = ("--data", data, "--memory-limit", "40MB", "--threads", "1", "-o", "json")
    done = quality(tmp_path, write_suite(tmp_path, *wanted), *arguments, before=full)
    assert done.code == 4, done.out + done.err
    assert done.err.strip()


def test_time_that_is_over(tmp_path: Path) -> None:
    data = str(parquet(tmp_path, "SELECT hash(range)::VARCHAR || hash(-range) AS id FROM range(3000000)"))
    done = quality(tmp_path, write_suite(tmp_path, UNIQUE), "--data", data, "--timeout", "0.05", "--threads", "1")
    refused(done, 4, "0.05 s")


ENDLESS = {
    "type": "unexpected_rows_expectation",
    "kwargs": {
        "unexpected_rows_query": "SELECT a.id FROM {batch} a, {batch} b, {batch} c WHERE (a.id * 7919 + b.id * 104729 + c.id) % 1000003 = -1"
    },
}


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_job_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    data = str(parquet(tmp_path, "SELECT range AS id FROM range(100000)"))
    process = started(tmp_path, write_suite(tmp_path, ENDLESS), "--data", data, "-o", "json")
    eventually(lambda: any((tmp_path / "tmp").iterdir()))
    process.send_signal(number)
    done = ended(process, tmp_path)
    assert (done.code, done.out) == (130, "")
    assert "interrupted" in done.err


def test_an_endless_query_is_ended(tmp_path: Path) -> None:
    data = str(parquet(tmp_path, "SELECT range AS id FROM range(100000)"))
    done = quality(tmp_path, write_suite(tmp_path, ENDLESS), "--data", data, "--timeout", "1.5", "-o", "json")
    refused(done, 4, "not done within 1.5 s")


@pytest.mark.parametrize("size", ["lots", "-1", "12 parsecs"])
def test_a_memory_limit_that_is_none(tmp_path: Path, size: str) -> None:
    done = quality(tmp_path, write_suite(tmp_path, NOT_NULL), "--data", "x.csv", "--memory-limit", size)
    assert (done.code, done.out) == (2, "")
    assert "is not a size" in done.err
