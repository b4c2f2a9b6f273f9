"""The tables of the event log as they are now; `observability.migrations` brings older logs here.

Times are whole microseconds since 1970-01-01 UTC: they sort, compare and index as numbers on every database, and no
driver can drop an offset from them. Texts sort by code point on every database, whatever its locale.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()
TEXT = String().with_variant(Text(collation="C"), "postgresql")
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Column("source", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("subject", TEXT, nullable=False),
    Column("service", TEXT),
    Column("environment", TEXT),
    Column("commit_sha", TEXT),
    Column("committed_us", BigInteger),
    Column("outcome", TEXT, nullable=False),
    Column("change_id", TEXT),
    Column("release_id", TEXT),
    Column("url", TEXT),
    Column("data", TEXT, nullable=False),
    Column("occurred_us", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("natural_key", TEXT),
    UniqueConstraint("source", "id", name="events_identity"),
    Index("events_by_time", "occurred_us"),
    Index("events_by_target", "service", "environment", "occurred_us"),
)
# Most events lack one or two of these; rows without a value cost their index nothing.
for _name, _columns in {
    "events_by_commit": (events.c.commit_sha, events.c.committed_us),
    "events_by_change": (events.c.change_id,),
    "events_by_release": (events.c.release_id,),
}.items():
    Index(_name, *_columns, sqlite_where=_columns[0].is_not(None), postgresql_where=_columns[0].is_not(None))
Index(
    "events_natural_key",
    events.c.natural_key,
    unique=True,
    sqlite_where=events.c.natural_key.is_not(None),
    postgresql_where=events.c.natural_key.is_not(None),
)

version_table = Table(
    "headgate_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_us", BigInteger, nullable=False),
)

# The projection: everything below is derived from `events` and may be dropped and made again at any time.
keys = Table(
    "dora_keys",
    metadata,
    Column("key", SEQUENCE, primary_key=True, autoincrement=False),
    Column("owner", Integer, nullable=False),
    Column("since_us", BigInteger, nullable=False),
)
services = Table(
    "dora_services",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", TEXT, nullable=False, unique=True),
    Column("pool", Integer, index=True),
    Column("dirty", Boolean, nullable=False),
    Column("since_us", BigInteger),
    Column("cuts", TEXT, nullable=False),
    Index("dora_services_dirty", "dirty"),
)
loose = Table(
    "dora_loose",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=False),
    Column("pool", Integer, nullable=False, index=True),
)
facts = Table(
    "dora_facts",
    metadata,
    Column("service", TEXT, primary_key=True),
    Column("environment", TEXT, primary_key=True),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("body", TEXT, nullable=False),
)
state = Table("dora_state", metadata, Column("name", TEXT, primary_key=True), Column("value", TEXT, nullable=False))
PROJECTION = (keys, services, loose, facts, state)
