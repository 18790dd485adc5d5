"""Times, as requests ask for them and as the platform writes them."""

from __future__ import annotations

import datetime as dt

from caseferry_datamint.sandbox.refusals import malformed


def instant(text: str, name: str) -> dt.datetime:
    """A date or a time in ISO form; without a zone it counts as UTC."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise malformed(f"{name} must be an ISO date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def now() -> str:
    """The present as the platform writes it: ISO with milliseconds and Z."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
