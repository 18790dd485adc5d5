"""Files wherever they lie: a path, an object store, a remote download, a few bytes in memory, a file yet to be made.

A `FileRef` says where a file is and what is known of it; `open` gives its bytes as a stream. Whoever passes a file
on never needs to know which kind it is.
"""

from __future__ import annotations

from caseferry.files.making import made, release
from caseferry.files.ref import STORE_SCHEMES, FileProblem, FileRef, PathLike, check_name, encodable, file_name
from caseferry.files.streams import CHUNK, Digesting, Rewindable

__all__ = [
    "CHUNK",
    "STORE_SCHEMES",
    "Digesting",
    "FileProblem",
    "FileRef",
    "PathLike",
    "Rewindable",
    "check_name",
    "encodable",
    "file_name",
    "made",
    "release",
]
