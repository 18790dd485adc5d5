"""What every section of an account works with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from caseferry.errors import NotFound, UnexpectedResponse
from caseferry.files import CHUNK, Digesting
from caseferry.plan import Repeat
from caseferry_datamint.client import path_part
from caseferry_datamint.errors import PLATFORM
from caseferry_datamint.wire.answers import NAMES, checked_row, is_id
from caseferry_datamint.wire.entities import Project

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

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
        """A project by its name or its id; one that was deleted by its id alone.

        Raises
        ------
        NotFound
            There is none.
        ConfigurationError
            Several have that name.
        """
        try:
            return Project.read(self._client.project(name))
        except NotFound:
            if not is_id(name):
                raise
        return Project.read(self._client.row(f"projects/{path_part(name)}", f"get project {name}"))

    def _created(
        self,
        target: str,
        body: Any,
        what: str,
        there: Callable[[], Mapping[str, Any] | None],
        known_by: Sequence[str] = NAMES,
    ) -> Mapping[str, Any]:
        """What was made; when the answer was lost, or does not tell, what is there then.

        Parameters
        ----------
        there : finds it, when it was made
        known_by : fields of which one must name it

        Raises
        ------
        UnexpectedResponse
            The platform says that it was made, and it is not there.
        """

        def make(unsure: bool) -> Mapping[str, Any]:
            found = there() if unsure else None
            if found is not None:
                return found
            made = self._client.change("POST", target, body, what=what, repeat=Repeat.DETECTABLE)
            if not isinstance(made, Mapping) or not any(made.get(field) for field in known_by):
                made = there()
            if made is None:
                raise UnexpectedResponse(PLATFORM, what, "the answer names nothing that was made, and nothing is there")
            return checked_row(made, what, known_by)

        return self._client.until_sure(make)


def several(ids: str | Iterable[str]) -> list[str]:
    """Ids, of which one may be given alone; each once."""
    return [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))


def saved(
    stream: BinaryIO,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    ending: Callable[[Path], str] | None = None,
    check: Callable[[Path], bool] | None = None,
) -> Path:
    """Write a download to a file, which appears under its name when it is whole.

    Parameters
    ----------
    sha256 : of what should come, when that is known
    ending : tells, from what came, the ending that the name lacks
    check : whether what came is what was asked for

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
        if check is not None and not check(part):
            raise UnexpectedResponse(PLATFORM, f"save {target.name!r}", "what came is no such file")
        missing = ending(part) if ending is not None else ""
        if not target.name.lower().endswith(missing):
            target = target.with_name(target.name + missing)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target
