"""The slices of Airflow's REST API that waiting needs: paths, parameters, answers. No I/O.

Version 2 is Airflow 3's, version 1 that of Airflow 2.
https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from pydantic import AliasChoices, AwareDatetime, BaseModel, Field, ValidationError

from cicd.dags.airflow.values import ImportProblem, ObservedDag, comparable
from headgate.errors import AuthenticationError, ServerFaultError

Version = Literal["v1", "v2"]
PAGE = 100
"""Entries a page; Airflow's own limit (`maximum_page_limit`)."""
REDACTED = "REDACTED - "


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Which files are meant: those of `bundle` (None: of any; version 2 only), below `root` (version 1 only).

    `root` is the DAG folder on Airflow's machines: version 1 gives absolute names.
    """

    bundle: str | None = None
    root: str = ""


class _Dag(BaseModel):
    dag_id: str
    is_stale: bool | None = None
    is_active: bool | None = None
    last_parsed_time: AwareDatetime | None = None
    has_import_errors: bool | None = None
    bundle_name: str | None = None
    relative_fileloc: str | None = None
    fileloc: str | None = None
    file_token: str | None = None


class _Problem(BaseModel):
    filename: str | None = None
    timestamp: AwareDatetime
    stack_trace: str | None = ""
    bundle_name: str | None = None


class _Page(BaseModel):
    total_entries: int = 0


class _Dags(_Page):
    dags: tuple[_Dag, ...]


class _Problems(_Page):
    import_errors: tuple[_Problem, ...]


class _Source(BaseModel):
    content: str


class _Token(BaseModel):
    access_token: str = Field(validation_alias=AliasChoices("access_token", "jwt_token"))


class _Health(BaseModel):
    class Part(BaseModel):
        status: str | None = None
        latest_dag_processor_heartbeat: AwareDatetime | None = None

    dag_processor: Part = Part()


_Model = TypeVar("_Model", bound=BaseModel)


def dags_request(version: Version, offset: int, folder: Folder) -> tuple[str, dict[str, str]]:
    """Path and parameters of one page of all DAGs, stale ones too."""
    stale = {"exclude_stale": "false"} if version == "v2" else {"only_active": "false"}
    bundle = {"bundle_name": folder.bundle} if folder.bundle and version == "v2" else {}
    return f"/api/{version}/dags", {**_page(offset), "order_by": "dag_id", **stale, **bundle}


def problems_request(version: Version, offset: int) -> tuple[str, dict[str, str]]:
    """Path and parameters of one page of import errors."""
    return f"/api/{version}/importErrors", {**_page(offset), "order_by": "import_error_id"}


def source_path(version: Version, dag: ObservedDag) -> str:
    """Path of a DAG's source: by id in version 2, by the file's token in version 1."""
    return f"/api/{version}/dagSources/{quote(dag.dag_id if version == 'v2' else dag.token, safe='')}"


def parse_path(version: Version, token: str) -> str:
    """Path to PUT to, which asks for a parse of one file."""
    return f"/api/{version}/parseDagFile/{quote(token, safe='')}"


def read_dags(data: Any, where: str, folder: Folder) -> tuple[tuple[ObservedDag, ...], int, int]:
    """DAGs of a page that lie in the folder, the number on the page, and the number in all."""
    page = _read(_Dags, data, where)
    found = [(dag, _at(dag.relative_fileloc, dag.fileloc, folder)) for dag in page.dags]
    return (
        tuple(
            ObservedDag(
                dag_id=dag.dag_id,
                at=at,
                stale=dag.is_stale if dag.is_stale is not None else dag.is_active is False,
                parsed_at=dag.last_parsed_time,
                has_import_errors=bool(dag.has_import_errors),
                token=dag.file_token or "",
            )
            for dag, at in found
            if at is not None and (folder.bundle is None or dag.bundle_name in (None, folder.bundle))
        ),
        len(page.dags),
        page.total_entries,
    )


def read_problems(data: Any, where: str, folder: Folder) -> tuple[tuple[ImportProblem, ...], int, int]:
    """Import errors of a page that lie in the folder, the number on the page, and the number in all."""
    page = _read(_Problems, data, where)
    found = [(item, _at(None, item.filename, folder)) for item in page.import_errors]
    return (
        tuple(
            ImportProblem(at=at, seen_at=item.timestamp, stack_trace=item.stack_trace or "")
            for item, at in found
            if at is not None and (folder.bundle is None or item.bundle_name in (None, folder.bundle))
        ),
        len(page.import_errors),
        page.total_entries,
    )


def read_source(data: Any, where: str) -> str:
    """A DAG's source as it compares. Raises `AuthenticationError` where Airflow hides it from this account."""
    content = _read(_Source, data, where).content
    if content.startswith(REDACTED):
        raise AuthenticationError(
            "this account may not read the source of the DAG",
            where=where,
            next_step="Give it the right to read all DAGs of the file, and their code.",
        )
    return comparable(content)


def read_token(data: Any, where: str) -> str:
    """The token that `POST /auth/token` answers with."""
    return _read(_Token, data, where).access_token


def read_processor(data: Any, where: str) -> tuple[str | None, datetime | None]:
    """Status and last sign of life of the DAG processor; None where Airflow says nothing."""
    part = _read(_Health, data, where).dag_processor
    return part.status, part.latest_dag_processor_heartbeat


def _page(offset: int) -> dict[str, str]:
    return {"limit": str(PAGE), "offset": str(offset)}


def _at(relative: str | None, absolute: str | None, folder: Folder) -> str | None:
    """A file's name relative to the DAG folder; None when it lies elsewhere."""
    name = relative or absolute
    if name is None or not name.startswith("/"):
        return name
    root = folder.root.rstrip("/") + "/"
    return name.removeprefix(root) if folder.root and name.startswith(root) else None


def _read(model: type[_Model], data: Any, where: str) -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ServerFaultError(
            f"the answer is not Airflow's: {'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}",
            where=where,
            next_step="Check that the address is that of Airflow's API server.",
        ) from error
