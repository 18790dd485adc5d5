"""The sidecar: what a platform cannot hold natively, kept beside it there, so that a case reads back as it was put.

It is a JSON document: the whole description of the case, which parts of it stand on the platform in its own form
and under which name there, and the bytes of small files that have no place of their own.
"""

from __future__ import annotations

from caseferry.sidecar.document import KEY, Native
from caseferry.sidecar.reading import Found, Kept, amended, amendment_number, merge, parse
from caseferry.sidecar.writing import amendment, build, case_fingerprint, said_beside

__all__ = [
    "KEY",
    "Found",
    "Kept",
    "Native",
    "amended",
    "amendment",
    "amendment_number",
    "build",
    "case_fingerprint",
    "merge",
    "parse",
    "said_beside",
]
