"""Who may ask, and how a request says who it is.

The tokens are fixed: they open nothing but a sandbox on loopback.
"""

from __future__ import annotations

from dataclasses import dataclass

from caseferry_grand_challenge.sandbox.refusals import unauthenticated

UPLOADER_TOKEN = "sandbox-uploader"  # noqa: S105
"""May add and change cases everywhere: uploader of every archive, editor of every reader study."""

VIEWER_TOKEN = "sandbox-viewer"  # noqa: S105
"""May look at every archive and reader study, and change none."""

OUTSIDER_TOKEN = "sandbox-outsider"  # noqa: S105
"""Has an account and no rights."""


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    pk: int
    name: str


UPLOADER = User(8, "uploader")
VIEWER = User(9, "viewer")
OUTSIDER = User(10, "outsider")

TOKENS = {UPLOADER_TOKEN: UPLOADER, VIEWER_TOKEN: VIEWER, OUTSIDER_TOKEN: OUTSIDER}

VIEW_ROLES = frozenset({"user", "reader", "uploader", "editor"})
CHANGE_ROLES = frozenset({"uploader", "editor"})


def authenticate(header: str | None) -> User | None:
    """The account that an ``Authorization`` header names; None for none at all.

    Any keyword but ``Bearer`` counts as no header at all.

    Raises
    ------
    RefusedError
        The header names no account: 401.
    """
    words = (header or "").split()
    if not words or words[0].lower() != "bearer":
        return None
    if len(words) == 1:
        raise unauthenticated("Invalid token header. No credentials provided.")
    if len(words) > 2:
        raise unauthenticated("Invalid token header. Token string should not contain spaces.")
    user = TOKENS.get(words[1])
    if user is None:
        raise unauthenticated("Invalid token.")
    return user
