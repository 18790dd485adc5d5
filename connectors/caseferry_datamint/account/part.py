"""What every part of an account works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.errors import TemporaryFailure
from caseferry.plan import Repeat
from caseferry_datamint.wire.entities import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from caseferry_datamint.client import DatamintClient


class Part:
    """A part of an account: some of its questions.

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
        for last in (False, True):
            try:
                made: Mapping[str, Any] = self._client.change("POST", target, body, what=what, repeat=Repeat.DETECTABLE)
            except TemporaryFailure:
                if (found := there()) is not None:
                    return found
                if last:
                    raise
            else:
                return made
        raise AssertionError  # the last turn of the loop returns or raises


def several(ids: str | Iterable[str]) -> list[str]:
    """Ids, of which one may be given alone; each once."""
    return [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
