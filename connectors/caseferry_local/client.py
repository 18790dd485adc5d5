"""The only file that touches the disk: writing aside, and making a case visible at once when it is complete."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from caseferry.errors import AlreadyExists, IntegrityMismatch, NotFound, PlatformError
from caseferry.files import CHUNK, Digesting
from caseferry.plan import Call, Reply

if TYPE_CHECKING:
    from pathlib import Path

STAGING = ".caseferry-incoming"
"""Where cases are written before they are complete. What a killed process left there is overwritten."""


class Folder:
    """Writes cases into a folder.

    Parameters
    ----------
    root : the folder; made when the first case is written
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def send(self, call: Call) -> Reply:
        """Carry out one call of a plan.

        Raises
        ------
        AlreadyExists
            The case has become visible meanwhile.
        IntegrityMismatch
            A file's bytes are not those that were announced.
        PlatformError
            The disk is full, or does not allow writing.
        """
        try:
            if call.method == "COMMIT":
                return self._commit(call.target)
            if call.method == "MERGE":
                return self._merge(call.target)
            path = self.root / STAGING / call.target
            path.parent.mkdir(parents=True, exist_ok=True)
            if call.files:
                return self._write_file(call, path)
            path.write_text(json.dumps(call.body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            return Reply(201)
        except OSError as error:
            reason = error.strerror or str(error)
            raise PlatformError("local", f"write {call.target}", f"{reason} ({self.root})") from error

    def begin(self, directory: str) -> None:
        """Throw away what an earlier attempt left of a case."""
        shutil.rmtree(self.root / STAGING / directory, ignore_errors=True)

    def _write_file(self, call: Call, path: Path) -> Reply:
        ref = call.files[0].ref
        with Digesting(ref.open()) as stream, path.open("wb") as out:
            while chunk := stream.read(CHUNK):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
            count, sha256 = stream.count, stream.sha256
        if (ref.sha256 or sha256) != sha256 or (count if ref.size is None else ref.size) != count:
            raise IntegrityMismatch(call.target, [f"{count} bytes were read where {ref.size} were announced"])
        return Reply(201, {"size": count, "sha256": sha256}, sent=count)

    def _commit(self, directory: str) -> Reply:
        staged, final = self.root / STAGING / directory, self.root / directory
        if final.exists():
            raise AlreadyExists("local", f"put {directory}", "a case of that name is there")
        for path in (staged, staged.parent):
            _sync(path)
        staged.rename(final)
        _sync(self.root)
        with contextlib.suppress(OSError):  # another case may be under way beside it
            staged.parent.rmdir()
        return Reply(201)

    def _merge(self, directory: str) -> Reply:
        """Move written files into a case that is there, its description last and at once."""
        staged, final = self.root / STAGING / directory, self.root / directory
        files = sorted((p for p in staged.rglob("*") if p.is_file()), key=lambda p: p.parent == staged)
        for path in files:
            target = final / path.relative_to(staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        _sync(final)
        self.begin(directory)
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
        aside = self.root / STAGING / f"{directory}.deleted"
        aside.parent.mkdir(exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        try:
            (self.root / directory).rename(aside)
        except FileNotFoundError as error:
            raise NotFound("local", f"delete {directory}", f"there is no such case in {self.root}") from error
        shutil.rmtree(aside)
        with contextlib.suppress(OSError):
            aside.parent.rmdir()


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
