"""The stand-in, and who asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caseferry.sandbox import Sandbox
from caseferry_grand_challenge.sandbox import (
    OUTSIDER_TOKEN,
    VIEWER_TOKEN,
)
from sandbox_grand_challenge import Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def running() -> Iterator[Sandbox]:
    with Sandbox(platforms=("grand-challenge",)) as sandbox:
        yield sandbox


@pytest.fixture
def site(running: Sandbox) -> Site:
    return Site(running)


@pytest.fixture
def viewer(running: Sandbox) -> Site:
    return Site(running, VIEWER_TOKEN)


@pytest.fixture
def outsider(running: Sandbox) -> Site:
    return Site(running, OUTSIDER_TOKEN)


@pytest.fixture
def anonymous(running: Sandbox) -> Site:
    return Site(running, None)
