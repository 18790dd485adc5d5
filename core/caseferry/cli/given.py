"""What the arguments of a command name: a dataset, an item of it, a choice of items."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.errors import ConfigurationError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caseferry.connector import Dataset, Item


def open_given(url: str, given: Any) -> Dataset:
    """A dataset, with the options that the command line gives."""
    from caseferry.registry import connect

    options = {name: getattr(given, name, None) for name in ("profile", "mapping", "phi", "overlap")}
    return connect(url, **{name: value for name, value in options.items() if value is not None})


def found_item(dataset: Dataset, name: str) -> Item:
    """An item by the platform's name for it, or by the case's own.

    Raises
    ------
    NotFound
        There is none of either.
    """
    try:
        return dataset.get(name)
    except NotFound:
        found = dataset.find(name)
        if found is None:
            raise
        return found


def selection(patterns: Sequence[str] | None) -> Callable[[Item], bool] | None:
    """Which items are wanted, by the names of their cases.

    Raises
    ------
    ConfigurationError
        A file of names cannot be read.
    """
    if not patterns:
        return None
    names: set[str] = set()
    shapes = []
    for pattern in patterns:
        if not pattern.startswith("@"):
            shapes.append(pattern)
            continue
        try:
            names.update(line.strip() for line in Path(pattern[1:]).read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            msg = f"--select names the file {pattern[1:]!r}, which cannot be read: {error}"
            raise ConfigurationError(msg) from error
    return lambda item: item.case_id in names or any(fnmatchcase(item.case_id, shape) for shape in shapes)
