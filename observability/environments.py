"""Which environments are production, by name. Pure.

The five metrics are about production only. Names differ everywhere, so everything counts that is not one of the names
under which nobody runs production; what is left out is told.
"""

from __future__ import annotations

import re

_NOT_PRODUCTION = re.compile(
    r"(^|[^a-z])(dev|devel|develop|development|local|test|tests|testing|qa|quality|uat|accept|acceptance|int|integration"
    r"|e2e|ci|stage|staging|stg|preview|previews|review|reviews|sandbox|sbx|demo|preprod|pre[-_]prod|preproduction"
    r"|pre[-_]production|nonprod|non[-_]prod|nonproduction|non[-_]production|perf|performance|load|lab|ephemeral)"
    r"([^a-z]|$)",
    re.IGNORECASE,
)
_SAID = "production/"


def is_production(environment: str | None) -> bool:
    """Whether an environment counts as production: `prod`, `production`, `live`, `eu-1` do; `staging`, `test` do not.

    None (not known) does, for want of a sign against it. So does `production/NAME`, whatever its name: somebody said so.
    """
    return environment is None or environment.startswith(_SAID) or _NOT_PRODUCTION.search(environment) is None
