"""A bucket, or what lies below a prefix of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.files import CHUNK, Digesting, FileProblem, FileRef
from caseferry.files.objects import MOST, StorageError, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Bucket", "StorageError", "Stored"]

LISTED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as its store describes it.

    Attributes
    ----------
    url : where it lies
    key : its key in the bucket, case-sensitive and without a slash in front
    size : in bytes
    etag : changes with the content; no digest that can be computed beforehand. Empty where the store has none
    """

    url: str
    key: str
    size: int
    etag: str = ""

    @property
    def ref(self) -> FileRef:
        """A reference to it.

        Raises
        ------
        FileProblem
            The last part of its key is no name of a file.
        """
        return FileRef(self.url, self.key.rpartition("/")[2], self.size)


class Bucket(Store):
    """A bucket of S3 or Google Cloud Storage, a container of Azure, or a web server; see `Store`."""

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Objects below a prefix, in the order of the store, fetched a page at a time as they are asked for.

        Parameters
        ----------
        prefix : whole folders: ``site-a`` is the folder ``site-a/``, and not also ``site-ab/``

        Raises
        ------
        StorageError
            The store does not let itself be listed, or there is no such bucket.
        """
        import obstore

        with self.named(prefix, "listed"):
            pages = iter(obstore.list(self.library, prefix.strip("/") or None, chunk_size=LISTED_AT_ONCE))
        while True:
            with self.named(prefix, "listed"):
                page = next(pages, None)
            if page is None:
                return
            yield from (self._stored(each) for each in page if each["path"] != prefix.strip("/") or each["size"])

    def find(self, key: str) -> Stored | None:
        """What the store says of one object; None when there is none.

        Raises
        ------
        StorageError
            The store does not say.
        """
        said = self.head(key)
        return None if said is None else self._stored(said)

    def write(self, key: str, source: FileRef) -> FileRef:
        """Write a file, in parts when it is large; an object of that key is replaced, and only when all has come.

        Returns
        -------
        A reference to the object, with the size and the SHA-256 of what was sent.

        Raises
        ------
        StorageError
            It may not be written, or the store holds another number of bytes afterwards.
        FileProblem
            The source cannot be read, or does not hold what its reference says; nothing is there then.
        """
        import obstore

        with Digesting(source.open()) as stream:
            attributes = {"Content-Type": source.media_type} if source.media_type else None
            with self.named(key, "written"):
                pieces: Any = _checked(stream, source)
                if source.size is not None and source.size <= MOST:
                    pieces = b"".join(pieces)  # one call in place of three
                obstore.put(self.library, key, pieces, attributes=attributes, chunk_size=MOST)
            count, sha256 = stream.count, stream.sha256
        found = self.find(key)
        if found is None or found.size != count:
            msg = f"{self.address}: the object {key!r} does not hold the {count} bytes that were written"
            raise StorageError(msg)
        return FileRef(found.url, source.name, count, source.media_type, sha256)

    def holds(self, key: str, source: FileRef) -> bool:
        """Whether an object holds just what a file holds: its size, and where that is the same, its SHA-256.

        Raises
        ------
        StorageError
            The store does not say, or does not let the object be read.
        """
        found = self.find(key)
        if found is None or found.size != source.length():
            return False
        return FileRef(found.url, source.name, found.size).measured().sha256 == source.measured().sha256

    def _stored(self, said: Mapping[str, Any]) -> Stored:
        etag = (said.get("e_tag") or "").strip('"')  # Azure quotes it in one answer and not in the other
        return Stored(f"{self.address}/{said['path']}", said["path"], said["size"], etag)


def _checked(stream: Digesting, source: FileRef) -> Iterator[bytes]:
    """The pieces of a file, with an error in place of its end when it is not what its reference says."""
    while piece := stream.read(CHUNK):
        yield piece
    if (source.size is not None and source.size != stream.count) or source.sha256 not in {None, stream.sha256}:
        msg = f"the file {source.name!r} does not hold what it should: {stream.count} bytes of it were read"
        raise FileProblem(msg)
