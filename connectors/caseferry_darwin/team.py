"""What a team on Darwin has beside the items of its datasets: the datasets themselves and its external storages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caseferry.closing import Closing
from caseferry.errors import AlreadyExists, NotFound, TemporaryFailure
from caseferry.plan import Repeat
from caseferry_darwin.connector import DarwinConnector
from caseferry_darwin.wire.place import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry_darwin.dataset import DarwinDataset

__all__ = ["Darwin", "DatasetEntry"]


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset as the team's list has it.

    Attributes
    ----------
    slug : its name in addresses
    items : how many it holds
    progress : the share of them that is complete
    native : all that the platform says of it
    """

    id: int
    name: str
    slug: str
    items: int
    progress: float
    url: str
    native: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def read(cls, said: Mapping[str, Any], team: str) -> DatasetEntry:
        """From what the platform says."""
        count = said.get("num_items")
        return cls(
            int(said["id"]),
            str(said.get("name") or said["slug"]),
            str(said["slug"]),
            int(count if count is not None else said.get("num_images") or 0),
            float(said.get("progress") or 0.0),
            f"{PLATFORM}:{team}/{said['slug']}",
            said,
        )


class Darwin(Closing):
    """A team on Darwin.

    >>> from caseferry_darwin import Darwin
    >>> with Darwin() as team:                                          # doctest: +SKIP
    ...     dataset = team.create_dataset("Chest CT")
    ...     dataset.put(case)

    Parameters
    ----------
    url, api_key, team : of the server, the key and the team; else from ``DARWIN_BASE_URL``, ``DARWIN_API_KEY`` and
        ``DARWIN_TEAM``, or from darwin-py's ``~/.darwin/config.yaml``
    ca, profile : as `caseferry.connect` takes them

    Raises
    ------
    MissingCredentials
        There is no key.
    AuthenticationFailed
        It is not accepted.
    ConfigurationError
        It is of another team.
    """

    def __init__(self, **options: Any) -> None:
        self._options = {name: value for name, value in options.items() if value is not None}
        self._client, self.team, self._web = DarwinConnector(**self._options).sign_in()

    def close(self) -> None:
        """Give connections back."""
        self._client.http.close()

    def datasets(self) -> list[DatasetEntry]:
        """All datasets that are not archived."""
        return [DatasetEntry.read(each, self.team) for each in self._client.datasets()]

    def dataset(self, name: str) -> DatasetEntry:
        """One of them by its slug or its name.

        Raises
        ------
        NotFound
            There is none.
        """
        known = self.datasets()
        found = [each for each in known if each.slug == name] or [each for each in known if each.name == name]
        if not found:
            names = ", ".join(each.slug for each in known[:10]) or "none"
            raise NotFound(PLATFORM, f"find dataset {name!r}", f"team {self.team!r} has {names}")
        return found[0]

    def create_dataset(self, name: str, **options: Any) -> DarwinDataset:
        """Make a dataset, and open it.

        Parameters
        ----------
        options : as `open` takes them

        Raises
        ------
        AlreadyExists
            There is one of that name.
        """
        if any(each.name == name for each in self.datasets()):
            raise AlreadyExists(PLATFORM, f"create dataset {name!r}", "there is a dataset of that name")
        try:
            body = self._client.http.request(
                "POST", "datasets", json={"name": name}, repeat=Repeat.DETECTABLE, what=f"create dataset {name!r}"
            ).body
            slug = DatasetEntry.read(body, self.team).slug
        except AlreadyExists as error:
            detail = "another name makes the same address"
            raise AlreadyExists(PLATFORM, f"create dataset {name!r}", detail) from error
        except TemporaryFailure:  # it was not there before: if it is now, the answer alone was lost
            slug = next((each.slug for each in self.datasets() if each.name == name), "")
            if not slug:
                raise
        return self.open(slug, **options)

    def remove_dataset(self, name: str) -> None:
        """Put a dataset aside with all that it holds, as darwin-py's ``remove_remote`` does: Darwin archives it.

        Raises
        ------
        NotFound
            There is none.
        """
        entry = self.dataset(name)
        self._client.http.request("PUT", f"datasets/{entry.id}/archive", json={}, what=f"archive dataset {name!r}")

    def storages(self) -> list[Mapping[str, Any]]:
        """The team's external storages: name, provider, bucket, prefix, and whether Darwin may only read there."""
        return self._client.storages()

    def open(self, name: str, **options: Any) -> DarwinDataset:
        """Open a dataset.

        Parameters
        ----------
        options : as `caseferry.connect` takes them: ``storage``, ``mapping``, ``phi`` and others
        """
        return DarwinConnector(**{**self._options, **options}).open(f"{self.team}/{name}")
