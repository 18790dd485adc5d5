"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("caseferry.testing")

from caseferry.sandbox import Sandbox  # noqa: E402  after the rewrite is registered
from stores import Stores  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("caseferry", deadline=None)  # a busy machine is no failure
settings.load_profile("caseferry")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means here: most tests wait for servers and processes, so two workers share a core."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Stand-ins of all platforms, fresh for each test."""
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """Stand-ins that all tests of a module share, found by every client in this process."""
    with Sandbox() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.variables.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """Object stores on loopback, started when they are first asked for."""
    running = Stores()
    yield running
    running.close()
