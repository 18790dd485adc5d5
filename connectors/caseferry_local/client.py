"""The only file that touches the disk: writing aside, and making a case visible at once when it is complete."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import threading
import uuid
from collections import defaultdict
from typing import IO, TYPE_CHECKING, Any

from caseferry.errors import (
    AlreadyExists,
    IntegrityMismatch,
    NotFound,
    PermissionDenied,
    PlatformError,
    TemporaryFailure,
)
from caseferry.files import CHUNK, Digesting
from caseferry.plan import Call, Reply
from caseferry_local.wire import RECEIPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STAGING = ".caseferry-incoming"
"""Where cases are written before they are complete, each attempt in a directory of its own.

What a killed process left there is removed when the case has come to be written.
"""


class Folder:
    """Writes cases into a folder.

    Parameters
    ----------
    root : the folder; made when the first case is written
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._attempts: dict[str, Path] = {}

    def entries(self) -> list[Path]:
        """What lies in the folder, apart from what is hidden, in the order of names.

        Raises
        ------
        NotFound, PermissionDenied
            There is no such folder, or it may not be looked into.
        """
        try:
            return sorted(path for path in self.root.iterdir() if not path.name.startswith("."))
        except FileNotFoundError as error:
            raise NotFound("local", f"list {self.root}", "there is no such folder") from error
        except PermissionError as error:
            raise PermissionDenied("local", f"list {self.root}", "the folder may not be looked into") from error

    @contextlib.contextmanager
    def writing(self, directory: str) -> Iterator[None]:
        """Be the only one of this process to write a case; what of it is not committed in the end is thrown away."""
        with self._lock:
            mine = self._locks[directory]
        with mine:
            attempt = self._attempts[directory] = self.root / STAGING / directory / uuid.uuid4().hex
            try:
                yield
            finally:
                del self._attempts[directory]
                shutil.rmtree(attempt, ignore_errors=True)
                for parent in (attempt.parent, attempt.parent.parent):
                    with contextlib.suppress(OSError):  # others may be writing beside it
                        parent.rmdir()

    def tidy(self, directory: str) -> None:
        """Remove what a killed process left of a case that is complete."""
        staged = self.root / STAGING / directory
        shutil.rmtree(staged, ignore_errors=True)
        with contextlib.suppress(OSError):
            staged.parent.rmdir()

    def send(self, call: Call) -> Reply:
        """Carry out one call of a plan.

        Raises
        ------
        AlreadyExists
            Another case of that name has become visible meanwhile.
        IntegrityMismatch
            A file's bytes are not those that were announced.
        PlatformError
            The disk is full, or does not allow writing.
        TemporaryFailure
            Another process has written the case meanwhile.
        """
        directory, _, inside = call.target.partition("/")
        attempt = self._attempts[directory]
        try:
            if call.method == "COMMIT":
                return self._commit(attempt, directory)
            if call.method == "MERGE":
                return self._merge(attempt, directory, call.body["remove"])
            path = attempt / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            if call.files:
                return self._write_file(call, path)
            with path.open("wb") as out:
                out.write((json.dumps(call.body, indent=1, ensure_ascii=False) + "\n").encode())
                _settle(out)
            return Reply(201)
        except FileNotFoundError as error:
            what = f"write {call.target}"
            if attempt.is_dir() or not (self.root / directory).exists():
                raise PlatformError("local", what, f"{error.strerror} ({self.root})") from error
            raise TemporaryFailure("local", what, "another process has written the case meanwhile") from error
        except PermissionError as error:
            what = f"write {call.target}"
            raise PermissionDenied("local", what, f"the folder {self.root} may not be written to") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise PlatformError("local", f"write {call.target}", f"{reason} ({self.root})") from error

    def _write_file(self, call: Call, path: Path) -> Reply:
        ref = call.files[0].ref
        with Digesting(ref.open()) as stream, path.open("wb") as out:
            while chunk := stream.read(CHUNK):
                out.write(chunk)
            _settle(out)
            count, sha256 = stream.count, stream.sha256
        if (ref.sha256 or sha256) != sha256 or (count if ref.size is None else ref.size) != count:
            raise IntegrityMismatch(call.target, [f"{count} bytes were read where {ref.size} were announced"])
        return Reply(201, {"size": count, "sha256": sha256}, sent=count)

    def _commit(self, attempt: Path, directory: str) -> Reply:
        final = self.root / directory
        if not final.exists():
            for path in sorted((path for path in attempt.rglob("*") if path.is_dir()), reverse=True):
                _sync(path)
            _sync(attempt)
            try:
                attempt.rename(final)
            except OSError:
                if not final.exists():
                    raise
            else:
                _sync(self.root)
                shutil.rmtree(attempt.parent, ignore_errors=True)  # and what killed processes left of the case
                return Reply(201)
        if not attempt.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not _same_receipt(attempt, final):
            raise AlreadyExists("local", f"put {directory}", "a case of that name is there")
        return Reply(200)

    def _merge(self, attempt: Path, directory: str, gone: Sequence[str]) -> Reply:
        """Move written files into a case that is there, its description last and at once; then remove files of it."""
        final = self.root / directory
        files = sorted((p for p in attempt.rglob("*") if p.is_file()), key=lambda p: p.parent == attempt)
        for path in files:
            target = final / path.relative_to(attempt)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            _sync(target.parent)
        for name in gone:
            (final / name).unlink(missing_ok=True)
        return Reply(200)

    def read_json(self, path: Path) -> Any:
        """A JSON file's content.

        Raises
        ------
        PlatformError
            It cannot be read or is not JSON.
        """
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or f"it is not JSON ({error})"
            raise PlatformError("local", f"read {path}", str(reason)) from error

    def delete(self, directory: str) -> None:
        """Remove a case: first its name, then its files."""
        what = f"delete {directory}"
        with self.writing(directory):
            aside = self._attempts[directory]
            try:
                aside.parent.mkdir(parents=True, exist_ok=True)
                (self.root / directory).rename(aside)
            except FileNotFoundError as error:
                raise NotFound("local", what, f"there is no such case in {self.root}") from error
            except PermissionError as error:
                raise PermissionDenied("local", what, f"the folder {self.root} may not be written to") from error


def _same_receipt(attempt: Path, final: Path) -> bool:
    """Whether two directories hold the same case."""
    try:
        return (attempt / RECEIPT).read_bytes() == (final / RECEIPT).read_bytes()
    except OSError:
        return False


def _settle(out: IO[bytes]) -> None:
    """Have a file's content written to the disk."""
    out.flush()
    os.fsync(out.fileno())


def _sync(directory: Path) -> None:
    """Have a directory's entries written to the disk, where the system can."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
