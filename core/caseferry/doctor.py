"""Finding out why a dataset cannot be used, step by step, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.connector.finding import Finding
from caseferry.errors import (
    AuthenticationFailed,
    CaseferryError,
    ConfigurationError,
    MissingCredentials,
    MissingDependency,
    NotFound,
    PermissionDenied,
    TemporaryFailure,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from caseferry.connector import Dataset

HOST, CREDENTIALS, DATASET = "the host", "the credentials", "the dataset"

STEPS: tuple[tuple[type[CaseferryError], str, str], ...] = (
    (MissingDependency, "the installation", ""),
    (MissingCredentials, CREDENTIALS, ""),
    (AuthenticationFailed, CREDENTIALS, "make a new key or token on the platform"),
    (PermissionDenied, DATASET, "ask whoever owns it for access"),
    (NotFound, DATASET, "'caseferry ls SCHEME:' lists those that the credentials can see"),
    (ConfigurationError, "the settings", ""),
    (TemporaryFailure, HOST, "see whether its address is right and this machine can reach it"),
)
"""Errors of opening a dataset, which step they belong to, and what to do where their own words do not say it."""

WORKING = {HOST: "answers", CREDENTIALS: "are accepted"}

PASSED = {DATASET: (HOST, CREDENTIALS), CREDENTIALS: (HOST,)}
"""What is known to work when a step fails that needs it."""


def diagnose(scheme: str, opening: Callable[[], Dataset], *, remote: bool) -> Iterator[Finding]:
    """What works of a dataset, and what does not.

    Parameters
    ----------
    scheme : of its platform
    opening : opens it
    remote : whether it lies on another machine
    """
    try:
        with opening() as dataset:
            next(iter(dataset.items()), None)
            yield from _working(PASSED[DATASET], remote=remote)
            yield Finding("ok", DATASET, f"is there and can be read: {dataset.url}")
            yield from dataset.diagnose()
    except CaseferryError as error:
        step, remedy = next(
            ((step, remedy) for kind, step, remedy in STEPS if isinstance(error, kind)), ("the platform", "")
        )
        if not isinstance(error, MissingCredentials):
            yield from _working(PASSED.get(step, ()), remote=remote)
        yield Finding("error", step, str(error), remedy.replace("SCHEME", scheme))


def _working(steps: Iterable[str], *, remote: bool) -> Iterator[Finding]:
    """Steps that were passed."""
    if remote:
        yield from (Finding("ok", step, WORKING[step]) for step in steps)
