"""Write the pages that are made from what the code declares and the tests prove: ``python docs/make.py``."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.annotation import KINDS
from caseferry.capability import VERBS
from caseferry.imaging.kinds import Kind
from caseferry.registry import connector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"

PLATFORMS = {
    "local": "local folder",
    "grand-challenge": "Grand Challenge",
    "datamint": "Datamint",
    "darwin": "V7 Darwin",
}
PARTS = ("values", "attachments", "tags", "folders", "metadata")


def main() -> None:
    """Write every page."""
    sys.path.insert(0, str(TESTS))  # as pytest has it
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """The text of every page by its file's name."""
    return {"capabilities.md": _capabilities(), "coming-from.md": _coming_from()}


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# -- what each platform holds --------------------------------------------------------------------------------------


def _capabilities() -> str:
    offered = {scheme: connector(scheme).describe() for scheme in PLATFORMS}

    def rows(names: Sequence[Any], part: str) -> list[list[str]]:
        return [[str(name), *(getattr(each, part)[name] for each in offered.values())] for name in names]

    header = list(PLATFORMS.values())
    return f"""# What each platform holds

**native**: as the platform's own. **converted**: in another form that means the same; the plan says which. **sidecar**:
beside the case on the platform, and back on read; the plan lists it as a loss. Where a platform's configuration must
allow something (a socket of a fitting kind, an annotation class), this says what is possible; a plan says what is.

## Annotations

{_table(["kind", *header], rows(list(KINDS), "annotations"))}

## Images

{_table(["kind", *header], rows(list(Kind), "images"))}

## What is converted, and how far that is from what was put

{_table(["what", "platform", "becomes", "because", "error"], _conversions(offered))}

A plan says the error of each part of a case in millimetres and voxels; "exact" are positions within 0.001 mm.
`--strict` refuses a case of which anything would be neither native nor exact.

## Other parts of a case

{_table(["part", *header], [[part, *(getattr(each, part) for each in offered.values())] for part in PARTS])}

## Verbs

A verb that a platform lacks raises `UnsupportedOperation` before any request.

{_table(["verb", *header], [[v, *("yes" if v in each.verbs else "no" for each in offered.values())] for v in VERBS])}
"""


def _conversions(offered: Mapping[str, Any]) -> list[list[str]]:
    return [
        [kind, PLATFORMS[scheme], conversion.into, conversion.reason, conversion.error]
        for scheme, each in offered.items()
        for kind, conversion in sorted(each.conversions.items())
    ]


# -- old calls -----------------------------------------------------------------------------------------------------


def _coming_from() -> str:
    tables = _module("datamint_old_calls")
    handler, api = (
        [[_code(row.old), _code(row.new), row.note] for row in rows] for rows in (tables.HANDLER, tables.API)
    )
    left_out = "\n".join(f"- {why}: {_names(names)}" for why, names in tables.NOT_OFFERED.items())
    darwin = [[_code(row.old), _code(row.new), row.note] for row in _rows("darwin")]
    challenge = [[_code(row.old), _code(row.gcapi), _code(row.new), row.note] for row in _rows("grand_challenge")]
    return f"""# Coming from the platforms' own clients

Each row is run by the tests: what stands in the column "caseferry" does what the old call did.

## From gcapi

{_table(["in older tutorials", "gcapi 0.16", "caseferry", "what is different"], challenge)}

`archive` is `cf.connect("grand-challenge:SLUG")`, `item` one of its items.

## From the Datamint SDK

{_table(["APIHandler", "caseferry", "what is different"], handler)}

{_table(["Api", "caseferry", "what is different"], api)}

What moves no cases and says nothing of them is not offered:

{left_out}

`account` is a `caseferry_datamint.Datamint()`, `dataset` is `account.open("PROJECT")` or
`cf.connect("datamint:PROJECT")`, `item` one of its items.

## From darwin-py

{_table(["darwin-py 3", "caseferry", "what is different"], darwin)}

`team` is a `caseferry_darwin.Darwin()`, `dataset` is `cf.connect("darwin:TEAM/DATASET")`, `item` one of its items,
`exchange` is `caseferry.exchange`, `main` the command line.
"""


def _rows(platform: str) -> Sequence[Any]:
    """The table that the platform's tests run."""
    rows: Sequence[Any] = _module(f"{platform}/test_old_calls").ROWS
    return rows


def _module(path: str) -> Any:
    """A module of the tests."""
    spec = importlib.util.spec_from_file_location(path.replace("/test_", "_"), TESTS / f"{path}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _names(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split())


def _code(text: str) -> str:
    """A cell: code a line each, words as they are; no bar that would end the cell."""
    lines = [line.strip() for line in text.replace("|", "\\|").splitlines()]
    return "<br>".join(f"`{line}`" for line in lines) if _is_code(text) else " ".join(lines)


def _is_code(text: str) -> bool:
    try:
        return bool(ast.parse(text).body) and not text.isidentifier()
    except SyntaxError:
        return text.startswith("for ")


if __name__ == "__main__":
    main()
