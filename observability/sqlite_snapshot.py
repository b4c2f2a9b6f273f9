"""The schema of a new log on SQLite, as all steps of `observability.migrations` leave it.

A snapshot, so that a new log is made without the library that the steps are written with; a test compares the two.
"""

from __future__ import annotations

VERSION = 5
"""Steps that this is the result of."""

STATEMENTS = (
    "CREATE TABLE headgate_schema (version INTEGER NOT NULL, applied_us BIGINT NOT NULL, PRIMARY KEY (version))",
    """
    CREATE TABLE events (
        seq INTEGER NOT NULL, source VARCHAR NOT NULL, id VARCHAR NOT NULL, kind VARCHAR NOT NULL,
        subject VARCHAR NOT NULL, service VARCHAR, environment VARCHAR, commit_sha VARCHAR, committed_us BIGINT,
        outcome VARCHAR NOT NULL, change_id VARCHAR, release_id VARCHAR, url VARCHAR, data VARCHAR NOT NULL,
        occurred_us BIGINT NOT NULL, received_us BIGINT NOT NULL, natural_key VARCHAR, PRIMARY KEY (seq),
        CONSTRAINT events_identity UNIQUE (source, id)
    )
    """,
    "CREATE INDEX events_by_time ON events (occurred_us)",
    "CREATE INDEX events_by_target ON events (service, environment, occurred_us)",
    "CREATE UNIQUE INDEX events_natural_key ON events (natural_key) WHERE natural_key IS NOT NULL",
    "CREATE INDEX events_by_commit ON events (commit_sha, committed_us) WHERE commit_sha IS NOT NULL",
    "CREATE INDEX events_by_change ON events (change_id) WHERE change_id IS NOT NULL",
    "CREATE INDEX events_by_release ON events (release_id) WHERE release_id IS NOT NULL",
    """
    CREATE TABLE dora_keys (
        "key" INTEGER NOT NULL, owner INTEGER NOT NULL, since_us BIGINT NOT NULL, PRIMARY KEY ("key")
    )
    """,
    """
    CREATE TABLE dora_services (
        id INTEGER NOT NULL, name VARCHAR NOT NULL, pool INTEGER, dirty BOOLEAN NOT NULL, since_us BIGINT,
        cuts VARCHAR NOT NULL, PRIMARY KEY (id), UNIQUE (name)
    )
    """,
    "CREATE INDEX dora_services_dirty ON dora_services (dirty)",
    "CREATE INDEX ix_dora_services_pool ON dora_services (pool)",
    "CREATE TABLE dora_loose (seq INTEGER NOT NULL, pool INTEGER NOT NULL, PRIMARY KEY (seq))",
    "CREATE INDEX ix_dora_loose_pool ON dora_loose (pool)",
    """
    CREATE TABLE dora_facts (
        service VARCHAR NOT NULL, environment VARCHAR NOT NULL, bucket BIGINT NOT NULL, body VARCHAR NOT NULL,
        PRIMARY KEY (service, environment, bucket)
    )
    """,
    "CREATE TABLE dora_state (name VARCHAR NOT NULL, value VARCHAR NOT NULL, PRIMARY KEY (name))",
)
