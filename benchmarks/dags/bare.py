"""The floor: an uploader with nothing but speed. Lists, compares MD5, uploads what differs; no lock, order or precondition.

Run by `run.py`: `python bare.py FOLDER BUCKET PREFIX`, server from STORAGE_EMULATOR_HOST. It uses aiohttp, whose parser
is written in C, because that makes the lower floor: httpx needs ten times the processor time for many small uploads.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
from pathlib import Path

import aiohttp

CONNECTIONS = 64


async def main(files: dict[str, Path], bucket: str, prefix: str) -> None:
    base = os.environ["STORAGE_EMULATOR_HOST"]
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(base, connector=connector) as http:
        there: dict[str, str] = {}
        token = ""
        while True:
            params = {"prefix": prefix, "fields": "items(name,md5Hash),nextPageToken", "pageToken": token}
            async with http.get(f"/storage/v1/b/{bucket}/o", params=params) as answer:
                page = await answer.json()
            there |= {item["name"]: item["md5Hash"] for item in page.get("items", ())}
            token = page.get("nextPageToken", "")
            if not token:
                break
        waiting = iter(files.items())

        async def upload() -> None:
            for name, path in waiting:
                data = path.read_bytes()
                if there.get(name) == base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode():
                    continue
                query = {"uploadType": "media", "name": name}
                async with http.post(f"/upload/storage/v1/b/{bucket}/o", params=query, data=data) as answer:
                    answer.raise_for_status()
                    await answer.read()

        await asyncio.gather(*(upload() for _ in range(CONNECTIONS)))


def found(folder: Path, prefix: str) -> dict[str, Path]:
    return {prefix + path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    asyncio.run(main(found(Path(sys.argv[1]), sys.argv[3]), sys.argv[2], sys.argv[3]))
