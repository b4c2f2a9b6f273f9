"""The error tree.

HeadgateError
├── ConfigError               the configuration or the command line is wrong                         exit 2
├── TransportError            a server could not be asked                                            exit 4
│   ├── RemoteTimeoutError    no answer in time
│   ├── UnreachableError      no connection: refused, reset, name not resolved, TLS
│   ├── AuthenticationError   credentials missing, wrong or not sufficient                           exit 2
│   ├── RateLimitedError      429 after bounded retries
│   └── ServerFaultError      5xx, or an answer that cannot be read
├── RemoteStateError          the server answered, but its state does not allow the step             exit 4
│   ├── NotFoundError         the named thing does not exist                                         exit 2
│   ├── ConflictError         somebody else changed it first (compare-and-swap lost)
│   └── LockHeldError         another run holds the lock
└── UnsafeActionError         refused because it could destroy what is not ours                      exit 2

A failing gate is not an error: it is a value (`gates.verdict.Verdict`).
"""

from __future__ import annotations

from typing import ClassVar

from headgate.exit_codes import ExitCode


class HeadgateError(Exception):
    """Base of all expected errors; its text is one paragraph: what, where, next step.

    `what` says what went wrong, `where` names the place (file and line, URL, resource), `next_step` says what to do.
    Secrets must not be put into any of them; the command line masks known secrets once more before printing.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.UNEXPECTED

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head.rstrip('.')}. {self.next_step}" if self.next_step else head


class ConfigError(HeadgateError):
    """The configuration, an input file or the command line is wrong; repeating the command will not help."""

    exit_code = ExitCode.USAGE


class TransportError(HeadgateError):
    """A server could not be asked; nothing is known about its state."""

    exit_code = ExitCode.UNDECIDED


class RemoteTimeoutError(TransportError):
    """No answer in time; a write may or may not have been done."""


class UnreachableError(TransportError):
    """No connection: refused, reset, name not resolved, TLS failure."""


class AuthenticationError(TransportError):
    """Credentials are missing, wrong, or lack a permission."""

    exit_code = ExitCode.USAGE


class RateLimitedError(TransportError):
    """The server still answered 429 after bounded retries."""


class ServerFaultError(TransportError):
    """The server answered 5xx, or something that cannot be read."""


class RemoteStateError(HeadgateError):
    """The server answered, but its state does not allow the step."""

    exit_code = ExitCode.UNDECIDED


class NotFoundError(RemoteStateError):
    """The named thing does not exist on the server (or may not be seen with these credentials)."""

    exit_code = ExitCode.USAGE


class ConflictError(RemoteStateError):
    """Somebody else changed the object first: a compare-and-swap was lost."""


class LockHeldError(RemoteStateError):
    """Another run holds the lock on this target."""


class UnsafeActionError(HeadgateError):
    """Refused: the action could destroy or overwrite something that is not ours."""

    exit_code = ExitCode.USAGE
