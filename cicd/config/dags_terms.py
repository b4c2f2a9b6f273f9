"""The defaults of DAG delivery and the forms of its names: for `headgate.yaml`, and for flags alone.

Flags alone do without the models of `headgate.yaml`, whose library takes longer to load than a push without changes.
"""

from __future__ import annotations

NAME = r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$"
NAME_LENGTH = 63
BUCKET = r"^(gs|s3|file)://.+"

SOURCE = "dags"
PROJECT = "dags"
INCLUDE = ("**/*",)
EXCLUDE = ("**/__pycache__/**", "**/*.pyc")
KEEP_RELEASES = 10
MAX_DELETE_RATIO = 0.5
TIMEOUT_S = 30.0
SETTLE_S = 0.0
