"""The S3 stand-in beside moto's server, request by request through botocore; and the client's contract on moto.

HEADGATE_MOTO_SERVER names the program `moto_server`; without it moto is installed from PyPI into the cache of live
servers. Where the two differ, `MOTO_IS_WRONG` says what S3's documentation says.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from cicd.dags.delivery import deliver
from cicd.dags.sources import from_release
from cicd.dags.stores.s3 import S3Store
from cicd.sandbox.s3 import S3Sandbox
from headgate.errors import ConflictError, NotFoundError
from tests.live.build import cache_root
from tests.testing.dag_stores import bundle, contents, loader, loopback_aws, quiet
from tests.testing.stepped_clock import SteppedClock

VERSION = "5.2.5"
ONE = '"c4ca4238a0b923820dcc509a6f75849b"'  # the MD5 of "1"
OTHER = '"0cc175b9c0f1b6a831c399e269772661"'
ODD = "d/100%#?&+ é\U0001f680<>\"'.py"
STEPS: list[tuple[str, str, dict[str, Any]]] = [
    ("create if absent", "put_object", {"Key": "a", "Body": b"1", "IfNoneMatch": "*"}),
    ("create what is there", "put_object", {"Key": "a", "Body": b"2", "IfNoneMatch": "*"}),
    ("swap", "put_object", {"Key": "a", "Body": b"1", "IfMatch": ONE}),
    ("swap another", "put_object", {"Key": "a", "Body": b"3", "IfMatch": OTHER}),
    ("swap what is missing", "put_object", {"Key": "zz", "Body": b"3", "IfMatch": ONE}),
    ("read", "get_object", {"Key": "a"}),
    ("read another", "get_object", {"Key": "a", "IfMatch": OTHER}),
    ("read unless the same", "get_object", {"Key": "a", "IfNoneMatch": ONE}),
    ("look", "head_object", {"Key": "a"}),
    ("look at what is missing", "head_object", {"Key": "zz"}),
    ("read what is missing", "get_object", {"Key": "zz"}),
    ("delete another", "delete_object", {"Key": "a", "IfMatch": OTHER}),
    ("it is still there", "get_object", {"Key": "a"}),
    ("delete what is missing", "delete_object", {"Key": "zz", "IfMatch": ONE}),
    ("delete what is missing, unconditionally", "delete_object", {"Key": "zz"}),
    ("broken on the way", "put_object", {"Key": "m", "Body": b"1", "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}),
    ("an odd name", "put_object", {"Key": ODD, "Body": b"1"}),
    ("lower case", "put_object", {"Key": "d/b", "Body": b""}),
    ("upper case", "put_object", {"Key": "d/B", "Body": b""}),
    ("beside the folder", "put_object", {"Key": "d.x", "Body": b""}),
    ("not ASCII", "put_object", {"Key": "d/ü", "Body": b""}),
    ("list", "list_objects_v2", {"Prefix": "d/"}),
    ("list a page", "list_objects_v2", {"Prefix": "d", "MaxKeys": 2}),
    ("list nothing", "list_objects_v2", {"Prefix": "nothing/"}),
    ("1 024 bytes", "put_object", {"Key": "k" * 1024, "Body": b"1"}),
    ("1 025 bytes", "put_object", {"Key": "k" * 1025, "Body": b"1"}),
    ("delete", "delete_object", {"Key": "a", "IfMatch": ONE}),
    ("it is gone", "get_object", {"Key": "a"}),
    ("list another bucket", "list_objects_v2", {"Bucket": "missing"}),
    ("write to another bucket", "put_object", {"Bucket": "missing", "Key": "a", "Body": b"1"}),
]
MOTO_IS_WRONG: dict[str, tuple[Any, ...]] = {
    "broken on the way": (200, ONE),  # S3 refuses a body that does not have the Content-MD5: 400 BadDigest
    "1 025 bytes": (200, ONE),  # keys are at most 1 024 bytes: 400 KeyTooLongError
}


def say(text: str) -> None:
    print(f"live: {text}", file=sys.__stderr__, flush=True)


@pytest.fixture(scope="module")
def program() -> Path:
    named = os.environ.get("HEADGATE_MOTO_SERVER")
    if named:
        return Path(named)
    place = cache_root() / f"moto-{VERSION}"
    found = place / "bin" / "moto_server"
    if not found.exists():
        say(f"moto {VERSION}: installing")
        venv.create(place, with_pip=True, clear=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", f"moto[server]=={VERSION}"]
        subprocess.run(pip, check=True, timeout=600)
    return found


@pytest.fixture(scope="module")
def moto(program: Path) -> Iterator[str]:
    """The URL of a running moto."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quietly = subprocess.DEVNULL
    server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=quietly, stderr=quietly)
    try:
        deadline = monotonic() + 60
        while monotonic() < deadline and server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                threading.Event().wait(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(30)


def client(url: str) -> Any:
    import botocore.session
    from botocore.config import Config

    config = Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )


def outcome(s3: Any, operation: str, given: dict[str, Any]) -> tuple[Any, ...]:
    """What matters of an answer."""
    from botocore.exceptions import ClientError

    try:
        answer = getattr(s3, operation)(**{"Bucket": "bucket", **given})
    except ClientError as error:
        return (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
    found: tuple[Any, ...] = (answer["ResponseMetadata"]["HTTPStatusCode"], answer.get("ETag"))
    if operation == "get_object":
        found += (answer["Body"].read(),)
    if operation == "list_objects_v2":
        items = [(item["Key"], item["ETag"], item["Size"]) for item in answer.get("Contents", ())]
        found += (items, answer["IsTruncated"], answer["KeyCount"])
    return found


def test_the_stand_in_answers_as_moto_does(moto: str, capsys: pytest.CaptureFixture[str]) -> None:
    with S3Sandbox(buckets=["bucket"]) as sandbox:
        ours, theirs = client(sandbox.url), client(moto)
        theirs.create_bucket(Bucket="bucket")
        differ = {}
        for name, operation, given in STEPS:
            mine, other = outcome(ours, operation, given), outcome(theirs, operation, given)
            if mine != other:
                differ[name] = other
        assert differ == MOTO_IS_WRONG
    with capsys.disabled():
        print(f"\n{len(STEPS)} requests answered alike by the stand-in and moto {VERSION}, but {', '.join(differ)}")


@pytest.fixture
def store(moto: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[S3Store]:
    loopback_aws(monkeypatch, moto)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"b-{abs(hash(request.node.name))}"
    client(moto).create_bucket(Bucket=name)
    found = S3Store(name)
    yield found
    found.close()


def test_the_store_keeps_its_contract_on_moto(store: S3Store) -> None:
    first = store.write("dags/a.py", b"1", if_generation=0)
    second = store.write("dags/a.py", b"2", if_generation=first.generation)
    for stale in (0, first.generation):
        with pytest.raises(ConflictError):
            store.write("dags/a.py", b"3", if_generation=stale)
    with pytest.raises(ConflictError):
        store.delete("dags/a.py", if_generation=first.generation)
    with pytest.raises(ConflictError):
        store.write("dags/b.py", b"3", if_generation=first.generation)
    assert store.read("dags/a.py") == (b"2", second.generation)
    (listed,) = store.list("dags/")
    assert (listed.path, listed.md5, listed.generation) == ("dags/a.py", second.md5, second.generation)
    store.delete("dags/a.py", if_generation=second.generation)
    store.delete("dags/a.py", if_generation=second.generation)
    assert store.read("dags/a.py") is None
    with pytest.raises(NotFoundError):
        S3Store("missing").list("dags/")


def test_pages(store: S3Store) -> None:
    names = [f"dags/{number:04}%#" for number in range(1100)]
    for name in names:
        store._client.put_object(Bucket=store._bucket, Key=name, Body=b"1")
    assert [item.path for item in store.list("dags/")] == names


def test_push_drift_and_rollback_on_moto(store: S3Store) -> None:
    dag = b"from airflow.sdk import DAG\nimport lib\n"
    one, two = {"dag.py": dag, "lib.py": b"1", "old.sql": b"1"}, {"dag.py": dag + b"#", "lib.py": b"2"}
    store.write("dags/theirs.py", b"1", if_generation=0)
    clock, mine = SteppedClock(), bundle(store, workers=8)
    for files in (one, two, two):
        deliver(mine, loader(files), clock=clock, progress=quiet)
    assert contents(store) == {**two, "theirs.py": b"1"}
    deliver(mine, from_release(mine.ledger, None), clock=clock, progress=quiet)
    assert contents(store) == {**one, "theirs.py": b"1"}
