"""One short record as a value: its keys in one spelling, each read as what it has to be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from headgate.clock import format_timestamp, parse_timestamp
from observability.commits import Commit, parse_commit, parse_commits, snake
from observability.events import Scalar
from observability.short_fields import FIELDS


class WrongRecordError(ValueError):
    """What is wrong with a record, without its place."""


@dataclass(slots=True)
class ShortRecord:
    """One record with its keys in one spelling."""

    type: str
    values: dict[str, object]
    extra: dict[str, Scalar] = field(default_factory=dict)

    def raw(self, name: str) -> object:
        """The value of the first spelling that has one."""
        names = FIELDS[self.type].get(name, ())
        return next((self.values[n] for n in names if self.values.get(n) not in (None, "")), None)

    def text(self, name: str, *, required: str | None = None) -> str | None:
        """One printable text; None when it is not there, unless `required` (the advice for the message) is given."""
        value = self.raw(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, Mapping):
            value = value.get("id") or value.get("name")
        if value is None:
            if required is not None:
                raise WrongRecordError(f"{name} is missing{required}")
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise WrongRecordError(f"{self.spelled(name)} has to be one text")
        found = str(value).strip()
        if not found or len(found) > 2048 or not found.isprintable():
            raise WrongRecordError(f"{self.spelled(name)} has to be printable text of at most 2048 characters")
        return found

    def must(self, name: str, advice: str = "") -> str:
        """A text that has to be there."""
        return self.text(name, required=advice) or ""

    def time(self, name: str) -> datetime | None:
        """A time with an offset, as UTC."""
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise WrongRecordError(
                f"{self.spelled(name)}: write times as text with an offset, such as 2026-11-21T10:00:00Z"
            )
        try:
            return parse_timestamp(value.strip())
        except (ValueError, OverflowError) as error:
            raise WrongRecordError(f"{self.spelled(name)}: {error}") from error

    def flag(self, name: str) -> bool:
        """True or false; false when it is not there."""
        value = self.raw(name)
        if value in (None, True, False):
            return value is True
        if isinstance(value, str) and value.strip().lower() in ("true", "false", "yes", "no"):
            return value.strip().lower() in ("true", "yes")
        raise WrongRecordError(f"{self.spelled(name)} has to be true or false")

    def status(self, known: Mapping[str, str], missing: str) -> str:
        """What the word for the status means; `missing` when there is none."""
        text = self.text("status")
        if text is None:
            return missing
        found = known.get(snake(text))
        if found is None:
            raise WrongRecordError(
                f"{self.spelled('status')} {text!r} is not known; known are {', '.join(sorted(known))}"
            )
        return found

    def commits(self) -> tuple[Commit, ...]:
        """The list of commits; a time beside the list is that of its only one."""
        try:
            found = parse_commits(self.raw("commits"))
        except ValueError as error:
            raise WrongRecordError(str(error)) from error
        beside = self.time("committed_at")
        if beside is None or self.raw("commit") is not None or not found:
            return found
        if len(found) > 1:
            raise WrongRecordError(
                f"{self.spelled('committed_at')} is the time of one commit; give each of them its own"
            )
        return (found[0] if found[0].at is not None else replace(found[0], at=beside),)

    def head(self) -> Commit | None:
        """The one commit that the record names by itself."""
        value = self.raw("commit")
        if value is None:
            return None
        said = {"message": self.raw("message")} if self.raw("message") is not None else {}
        item = {**value, **said} if isinstance(value, Mapping) else {"sha": value, **said}
        if not isinstance(value, Mapping) and (at := self.time("committed_at")) is not None:
            item["at"] = format_timestamp(at)
        try:
            return parse_commit(item)
        except ValueError as error:
            raise WrongRecordError(str(error).replace("commits[0]", self.spelled("commit"))) from error

    def spelled(self, name: str) -> str:
        """The key that the record itself uses."""
        return next((n for n in FIELDS[self.type].get(name, ()) if self.values.get(n) not in (None, "")), name)
