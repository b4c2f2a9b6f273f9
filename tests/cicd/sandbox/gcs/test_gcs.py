"""Google's own client against the stand-in, unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.object_faults import Fault, FaultKind


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsSandbox]:
    with GcsSandbox(buckets=["bucket"]) as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running


@pytest.fixture
def bucket(sandbox: GcsSandbox) -> Iterator[Any]:
    client = storage.Client(project="test", credentials=AnonymousCredentials())
    yield client.bucket("bucket")
    client.close()


def test_upload_download_list_delete(bucket: Any) -> None:
    blob = bucket.blob("dags/a b%#?.py")
    blob.upload_from_string(b"print(1)\r\n--not-a-boundary", content_type="text/x-python")
    assert blob.generation
    assert bucket.blob("dags/a b%#?.py").download_as_bytes() == b"print(1)\r\n--not-a-boundary"
    found = list(bucket.client.list_blobs("bucket", prefix="dags/"))
    assert [(item.name, item.size, item.md5_hash) for item in found] == [(blob.name, 26, blob.md5_hash)]
    assert found[0].content_type == "text/x-python"
    blob.delete()
    assert not bucket.blob(blob.name).exists()


def test_conditional_upload(bucket: Any) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"1", if_generation_match=0)
    first = blob.generation
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").upload_from_string(b"2", if_generation_match=0)
    blob.upload_from_string(b"2", if_generation_match=first)
    assert blob.generation > first
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").upload_from_string(b"3", if_generation_match=first)
    assert bucket.blob("a").download_as_bytes() == b"2"


def test_conditional_delete_and_get(bucket: Any) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"1")
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").delete(if_generation_match=blob.generation + 1)
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").download_as_bytes(if_generation_match=blob.generation + 1)
    with pytest.raises(PreconditionFailed):
        bucket.blob("a").delete(if_metageneration_match=2)
    blob.delete(if_generation_match=blob.generation)
    with pytest.raises(NotFound, match="No such object"):
        bucket.blob("a").delete()


def test_pages_and_folders(sandbox: GcsSandbox, bucket: Any) -> None:
    inside = sandbox.create_bucket("bucket")
    for name in ("a", "d/1", "d/2", "d/e/3", "f/4", "z"):
        inside.put(name, b"1", "text/plain", {})
    client = bucket.client
    assert [b.name for b in client.list_blobs("bucket", page_size=2)] == ["a", "d/1", "d/2", "d/e/3", "f/4", "z"]
    listed = client.list_blobs("bucket", delimiter="/", page_size=1)
    assert [b.name for b in listed] == ["a", "z"]
    assert sorted(listed.prefixes) == ["d/", "f/"]


@pytest.mark.parametrize(
    ("start", "end", "names"),
    [
        (None, "d/2", ["d/1"]),
        ("d/2", None, ["d/2", "d/e/3", "dä"]),
        ("d/15", "d/e/3", ["d/2"]),
        ("a", "z", ["d/1", "d/2", "d/e/3", "dä"]),
        ("d/e/3", "d/e/3", []),
        ("e", None, []),
    ],
)
def test_ranges(sandbox: GcsSandbox, bucket: Any, start: str | None, end: str | None, names: list[str]) -> None:
    """Names from one on and before another, with a prefix and pages."""
    inside = sandbox.create_bucket("bucket")
    for name in ("a", "d/1", "d/2", "d/e/3", "dä", "f/4", "z"):
        inside.put(name, b"1", "text/plain", {})
    listed = bucket.client.list_blobs("bucket", prefix="d", start_offset=start, end_offset=end, page_size=2)
    assert [b.name for b in listed] == names


def test_buckets(bucket: Any) -> None:
    bucket.client.create_bucket("another")
    assert bucket.client.get_bucket("another").name == "another"
    with pytest.raises(NotFound, match="bucket does not exist"):
        list(bucket.client.list_blobs("missing"))


def test_googles_client_gets_over_scripted_failures(sandbox: GcsSandbox, bucket: Any) -> None:
    sandbox.faults.inject(Fault(kind=FaultKind.UNAVAILABLE, operation="upload"))
    bucket.blob("a").upload_from_string(b"1", if_generation_match=0)
    sandbox.faults.inject(Fault(kind=FaultKind.RESET, operation="list"))
    assert [b.name for b in bucket.client.list_blobs("bucket")] == ["a"]


def test_a_stale_listing(sandbox: GcsSandbox, bucket: Any) -> None:
    bucket.blob("a").upload_from_string(b"1")
    sandbox.faults.inject(Fault(kind=FaultKind.STALE, operation="list"))
    assert list(bucket.client.list_blobs("bucket")) == []
    assert [b.name for b in bucket.client.list_blobs("bucket")] == ["a"]


def test_errors_are_documented_json(sandbox: GcsSandbox) -> None:
    def ask(method: str, path: str, **more: Any) -> tuple[int, str]:
        answer = httpx.request(method, f"{sandbox.url}{path}", **more)
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        return answer.status_code, error["errors"][0]["reason"]

    objects = "/storage/v1/b/bucket/o"
    assert ask("GET", f"{objects}/missing") == (404, "notFound")
    assert ask("POST", f"/upload{objects}?uploadType=media&name=a&ifGenerationMatch=x") == (400, "invalidParameter")
    assert ask("POST", f"/upload{objects}?uploadType=media&name=a&ifGenerationMatch=5") == (412, "conditionNotMet")
    assert ask("POST", f"/upload{objects}?uploadType=media&name=" + "x" * 1025) == (400, "invalid")
    assert ask("POST", f"/upload{objects}?uploadType=resumable&name=a") == (501, "notImplemented")
    assert ask("POST", f"/upload{objects}?uploadType=multipart", content=b"x") == (400, "badContent")
    assert ask("POST", "/storage/v1/b", json={"name": "../x"}) == (400, "invalid")
    assert ask("GET", "/elsewhere") == (404, "notFound")


def test_objects_in_a_folder_survive_a_restart(tmp_path: Path) -> None:
    with GcsSandbox(buckets=["bucket"], folder=tmp_path) as first:
        kept = first.create_bucket("bucket").put("dags/é.py", b"1", "text/x-python", {})
        gone = first.create_bucket("bucket").put("gone", b"1", "text/plain", {})
        first.create_bucket("bucket").delete("gone", {"ifGenerationMatch": str(gone.generation)})
    with GcsSandbox(buckets=["bucket"], folder=tmp_path) as second:
        assert second.create_bucket("bucket").list() == (kept,)
        assert second.create_bucket("bucket").put("x", b"", "text/plain", {}).generation > kept.generation


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("media_head", [b"", b"Content-Type: text/x-python"])
@pytest.mark.parametrize("data", [b"", b"x = 1\n", b"\n\nx\n", b"a: b\r\n\r\nc"])
def test_uploads_as_rclone_and_gcloud_write_them(
    sandbox: GcsSandbox, end: bytes, media_head: bytes, data: bytes
) -> None:
    """rclone gives the media part no headers, gcloud ends lines with a line feed only."""
    head = b"Content-Type: application/json" + end + end + b'{"name": "dags/a.py"}' + end
    media = (media_head + end if media_head else b"") + end + data + end
    body = b"--b" + end + head + b"--b" + end + media + b"--b--" + end
    with httpx.Client(base_url=sandbox.url) as http:
        answer = http.post(
            "/upload/storage/v1/b/bucket/o?uploadType=multipart",
            content=body,
            headers={"Content-Type": "multipart/related; boundary='b'"},
        )
        assert answer.json()["size"] == str(len(data))
        assert http.get("/storage/v1/b/bucket/o/dags%2Fa.py?alt=media").content == data


def test_custom_metadata_changes_without_a_new_generation(sandbox: GcsSandbox, bucket: Any) -> None:
    blob = bucket.blob("a")
    blob.metadata = {"mtime": "1", "other": "x"}
    blob.upload_from_string(b"1")
    generation, metageneration = blob.generation, blob.metageneration
    blob.metadata = {"mtime": "2", "other": None}
    blob.patch(if_metageneration_match=metageneration)
    found = bucket.get_blob("a")
    assert (found.metadata, found.generation, found.metageneration) == ({"mtime": "2"}, generation, metageneration + 1)
    blob.metadata = {"mtime": "3"}
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=metageneration)
