"""The connector against caseferry's contract: this is all that a connector's author writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caseferry.testing import ConnectorContract

if TYPE_CHECKING:
    from pathlib import Path


class TestSqlite(ConnectorContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path / 'cases.db'}"
