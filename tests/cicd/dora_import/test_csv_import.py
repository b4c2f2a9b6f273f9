"""CSV files of short records, from the command line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.cli.main import main
from headgate.errors import ConfigError
from observability.csv_records import read_csv
from observability.event_files import read_events

DEPLOYMENTS = """\
id,service,environment,deployed_at,status,commits,team
d1,shop,prod,2026-03-02T10:00:00Z,success,c1,red
d2,shop,prod,2026-03-03T10:00:00+01:00,failed,"c2, c3",red
d3,shop,prod,2026-03-04T10:00:00Z,,c2 c3 c4,
"""


class Cli:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def __call__(self, *args: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main([*args, "--store", f"sqlite:///{self.folder / 'events.db'}"])
        said = self.capsys.readouterr()
        assert "Traceback" not in said.err
        return int(code), said.out, said.err

    def file(self, text: str | bytes, name: str = "records.csv") -> str:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, capsys)


def test_deployments_from_a_table(cli: Cli) -> None:
    code, out, err = cli("dora", "import", cli.file(DEPLOYMENTS), "--type", "deployment")
    assert (code, out.strip()) == (0, "3 events read, 3 new, 0 known"), err
    _, out, _ = cli("dora", "report", "--from", "2026-03-01", "--to", "2026-04-01", "-o", "json")
    (service,) = json.loads(out)["services"]
    assert service["metrics"]["deployment_frequency"]["numerator"] == 3
    assert service["metrics"]["change_fail_rate"]["numerator"] == 1
    assert cli("dora", "import", cli.file(DEPLOYMENTS), "--type", "deployment")[1].strip().endswith("0 new, 3 known")


def test_events_import_reads_the_same(cli: Cli) -> None:
    mixed = """type;id;service;environment;at;status
deployment;d1;shop;prod;2026-03-02T10:00:00Z;
incident;i1;shop;prod;2026-03-02T11:00:00Z;open

"""
    code, out, _ = cli("events", "import", cli.file("\ufeff" + mixed.replace("\n", "\r\n")))
    assert (code, out.strip()) == (0, "2 events read, 2 new, 0 known")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,service\nd1,shop\n", "no column `type`"),
        ("type,id,id\n", "two columns have the same name"),
        ("type,,id\n", "a column has no name"),
        ("type,id\ndeployment,d1\n", ":2: not a valid deployment record: service is missing"),
        ("type,id\nincident,i1,more\n", ":2: 3 cells under 2 columns"),
        ("type,id\nparty,i1\n", ":2: the row has no type that is known"),
        ("type,id\n,i1\n", ":2: the row has no type that is known"),
        ('type,id\nincident,"i1\n', "not CSV"),
        ('type,id\nincident,"i1"x\n', "not CSV"),
        (b"type,id\nincident,\xff\n", ":2: not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(cli: Cli, text: str | bytes, message: str) -> None:
    code, out, err = cli("dora", "import", cli.file(text))
    assert (code, out, message in err) == (2, "", True), err
    assert not (cli.folder / "events.db").exists()


def test_an_empty_file_has_nothing(cli: Cli) -> None:
    assert cli("dora", "import", cli.file("\n"))[1].startswith("0 events read")


names = st.text("abc9é漢-_/.:\"'", min_size=1, max_size=12)
deployments = st.fixed_dictionaries(
    {"type": st.just("deployment"), "id": names, "service": names, "environment": names},
    optional={
        "status": st.sampled_from(["success", "failed", "canceled"]),
        "commits": st.lists(st.text("0123456789abcdef", min_size=7, max_size=40), min_size=1, max_size=3),
        "unplanned": st.booleans(),
    },
)


@given(records=st.lists(deployments, max_size=5), delimiter=st.sampled_from(",;\t"))
def test_a_table_says_what_the_same_lines_of_json_say(records: list[dict[str, Any]], delimiter: str) -> None:
    columns = ["type", "id", "service", "environment", "deployed_at", "status", "commits", "unplanned"]
    rows = [{**record, "deployed_at": "2026-03-02T10:00:00Z"} for record in records]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        cells = {**row, "commits": " ".join(row.get("commits", ())), "unplanned": str(row.get("unplanned", "")).lower()}
        writer.writerow(cells)
    table = [e for line in read_csv(buffer.getvalue().encode().splitlines(keepends=True), "x.csv") for e in line.events]
    lines = [json.dumps(row).encode() for row in rows]
    plain = [e for line in read_events(lines, "x.jsonl") for e in line.events]
    assert table == plain


@given(text=st.binary(max_size=60))
def test_no_bytes_break_it(text: bytes) -> None:
    with contextlib.suppress(ConfigError):
        for line in read_csv(text.splitlines(keepends=True), "x.csv", record_type="incident"):
            assert line.where.startswith("x.csv:")
