"""Where bookkeeping lies: beside the DAG folder under `.headgate/`, never in it.

Airflow parses every `.py` and every zip file below the DAG folder, whatever it is called, and Composer mirrors all of
it; `.airflowignore` would be a second file to keep right. So `gs://bucket/dags` keeps its books in
`gs://bucket/.headgate/`, and `file:///srv/airflow/dags` in `/srv/airflow/.headgate/`.

    .headgate/manifests/<place>/<project>.json       the release in force
    .headgate/state/<place>/<project>/lock.json      who delivers now
    .headgate/state/<place>/<project>/claims.json    what an unfinished delivery meant to write
    .headgate/state/<place>/<project>/releases/      manifests of kept past releases
    .headgate/state/<place>/<project>/packs/         contents of kept releases, named by their hash

`<place>` is the percent-encoded prefix of the DAG folder; `%` alone is the bucket root.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from cicd.dags.names import RESERVED

MANIFESTS = f"{RESERVED}/manifests/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Object names of one bundle. `prefix` is that of the DAG folder: empty, or ending with `/`."""

    prefix: str
    project: str

    @property
    def _place(self) -> str:
        return quote(self.prefix.rstrip("/"), safe="") or "%"

    @property
    def manifest(self) -> str:
        return f"{MANIFESTS}{self._place}/{self.project}.json"

    @property
    def state(self) -> str:
        return f"{RESERVED}/state/{self._place}/{self.project}/"

    @property
    def lock(self) -> str:
        return f"{self.state}lock.json"

    @property
    def claims(self) -> str:
        return f"{self.state}claims.json"

    def release(self, release: str) -> str:
        return f"{self.state}releases/{release}.json"

    def pack(self, digest: str) -> str:
        return f"{self.state}packs/{digest}.pack"


def parse_manifest_name(name: str) -> Layout | None:
    """The bundle whose manifest is called `name`; None for other objects."""
    place, slash, project = name.removeprefix(MANIFESTS).partition("/")
    if not slash or not project.endswith(".json") or "/" in project:
        return None
    prefix = "" if place == "%" else f"{unquote(place)}/"
    return Layout(prefix=prefix, project=project.removesuffix(".json"))


def overlaps(one: str, other: str) -> bool:
    """Whether two prefixes share objects: they are equal, or one contains the other."""
    return one.startswith(other) or other.startswith(one)
