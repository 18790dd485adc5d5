"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"


def _maker() -> Any:
    spec = importlib.util.spec_from_file_location("docs_make", DOCS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_as_they_would_be_made_now() -> None:
    """``python docs/make.py`` makes them anew."""
    for name, text in _maker().pages().items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, name
