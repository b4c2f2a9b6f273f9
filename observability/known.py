"""Whether an event is in the log already, asked without the database library, whose import takes longer than a push."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_SCHEME = "sqlite:///"
_SPECIAL = frozenset("?%#")  # mean something in an address


def is_known(url: str, *, root: Path, source: str, identity: str) -> bool:
    """Whether the log at `url` surely holds the event `(source, identity)`.

    False for whatever cannot be told: another database, no log yet, an older schema, a busy file.
    """
    if not url.startswith(_SCHEME) or _SPECIAL & set(url):
        return False
    path = (root / Path(url.removeprefix(_SCHEME)).expanduser()).absolute()
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1.0)) as database:
            found = database.execute("SELECT 1 FROM events WHERE source = ? AND id = ?", (source, identity)).fetchone()
    except sqlite3.Error:
        return False
    return found is not None
