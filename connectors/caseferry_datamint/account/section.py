"""What every section of an account works with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from caseferry.errors import UnexpectedResponse
from caseferry.files import CHUNK, Digesting
from caseferry.plan import Repeat
from caseferry_datamint.client import PLATFORM
from caseferry_datamint.wire.entities import Project

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from caseferry_datamint.client import DatamintClient


class Section:
    """A section of an account: some of its questions.

    Parameters
    ----------
    client : asks them
    """

    def __init__(self, client: DatamintClient) -> None:
        self._client = client

    def project(self, name: str) -> Project:
        """A project by its name or its id.

        Raises
        ------
        NotFound
            There is none.
        """
        return Project.read(self._client.project(name))

    def _created(
        self, target: str, body: Any, what: str, there: Callable[[], Mapping[str, Any] | None]
    ) -> Mapping[str, Any]:
        """What was made; when the answer was lost, what is there then.

        Parameters
        ----------
        there : finds it, when it was made
        """

        def make(unsure: bool) -> Mapping[str, Any]:
            found = there() if unsure else None
            made: Mapping[str, Any] = found or self._client.change(
                "POST", target, body, what=what, repeat=Repeat.DETECTABLE
            )
            return made

        return self._client.until_sure(make)


def several(ids: str | Iterable[str]) -> list[str]:
    """Ids, of which one may be given alone; each once."""
    return [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))


def saved(stream: BinaryIO, path: str | os.PathLike[str], *, sha256: str | None = None) -> Path:
    """Write a download to a file, which appears under its name when it is whole.

    Parameters
    ----------
    sha256 : of what should come, when that is known

    Raises
    ------
    UnexpectedResponse
        Something else came.
    """
    target = Path(path)
    part = target.with_name(f"{target.name}.part")
    try:
        with Digesting(stream) as content, part.open("wb") as out:
            shutil.copyfileobj(content, out, CHUNK)
        if sha256 not in {None, content.sha256}:
            raise UnexpectedResponse(PLATFORM, f"save {target.name!r}", "what came is not what was put (SHA-256)")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target
