"""What commands print, and the exit codes that say the same.

0: all done. 1: some cases failed, each named with its reason. 2: wrong use or bad input, and nothing was sent.
130: interrupted; the same command goes on from there.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caseferry.plain import Json

DONE, SOME_FAILED, NOTHING_SENT, INTERRUPTED = 0, 1, 2, 130


def say(text: str) -> None:
    """Tell the user something that is no result."""
    sys.stderr.write(f"caseferry: {text}\n")
    sys.stderr.flush()


def print_array(elements: Iterable[Json]) -> None:
    """Print elements as one JSON array, each as soon as it is there."""
    separator = "["
    for element in elements:
        print(separator + json.dumps(element, ensure_ascii=False))
        separator = ","
    print("[]" if separator == "[" else "]")


def print_json(document: Json) -> None:
    """Print a document for scripts, which people can read."""
    print(json.dumps(document, indent=1, ensure_ascii=False))
