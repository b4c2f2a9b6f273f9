"""The floor: an uploader with nothing but speed. Lists, compares MD5, uploads what differs; no lock, order or precondition.

Run by `run.py`: `python bare.py FOLDER BUCKET PREFIX`, server from STORAGE_EMULATOR_HOST.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
from pathlib import Path

import httpx


async def main(files: dict[str, Path], bucket: str, prefix: str) -> None:
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=os.environ["STORAGE_EMULATOR_HOST"], limits=limits, timeout=60) as http:
        there: dict[str, str] = {}
        token = ""
        while True:
            params = {"prefix": prefix, "fields": "items(name,md5Hash),nextPageToken", "pageToken": token}
            page = (await http.get(f"/storage/v1/b/{bucket}/o", params=params)).json()
            there |= {item["name"]: item["md5Hash"] for item in page.get("items", ())}
            token = page.get("nextPageToken", "")
            if not token:
                break
        gate = asyncio.Semaphore(64)

        async def upload(name: str, data: bytes) -> None:
            if there.get(name) == base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode():
                return
            async with gate:
                answer = await http.post(
                    f"/upload/storage/v1/b/{bucket}/o", params={"uploadType": "media", "name": name}, content=data
                )
                answer.raise_for_status()

        await asyncio.gather(*(upload(name, read(path)) for name, path in files.items()))


def read(path: Path) -> bytes:
    return path.read_bytes()


def found(folder: Path, prefix: str) -> dict[str, Path]:
    return {prefix + path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    asyncio.run(main(found(Path(sys.argv[1]), sys.argv[3]), sys.argv[2], sys.argv[3]))
