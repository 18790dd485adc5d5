"""What of a dataset, its team and its external storage the translation needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caseferry.deidentify import suspicious_name
from caseferry.errors import ConfigurationError
from caseferry.files import FileRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.mapping import Names
    from caseferry_darwin.wire.classes import Classes
    from caseferry_darwin.wire.display import Displays

PLATFORM = "darwin"

OBJECT_STORES = {"s3": "aws", "s3a": "aws", "gs": "gcp", "az": "azure", "azure": "azure"}
OBJECT_STORES |= {"abfs": "azure", "abfss": "azure"}
"""Schemes of URLs, and whose storage they name."""


@dataclass(frozen=True)
class Place:
    """A dataset of a team.

    Attributes
    ----------
    displays : how the mapping wants images to be shown
    create : whether classes that are missing are made; a plan of a case says it anew
    storage : the external storage whose objects are registered instead of uploaded
    prepare : the URL of the prefix below which what a read-only storage demands is made; empty to make nothing
    members : e-mail addresses of the team's people, who alone can be said to have made an annotation
    """

    team: str
    dataset: str
    dataset_id: int
    classes: Classes
    names: Names
    displays: Displays
    create: bool = True
    storage: Storage | None = None
    prepare: str = ""
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Storage:
    """An external storage of the team.

    Attributes
    ----------
    name : of the integration, which need not be that of the bucket
    bucket : the bucket; on Azure the container
    provider : ``aws``, ``gcp`` or ``azure``
    readonly : whether Darwin may only read there
    with_container : whether keys on Azure begin with the container
    """

    name: str
    bucket: str
    provider: str = "aws"
    readonly: bool = False
    with_container: bool = True

    @classmethod
    def read(cls, answered: Mapping[str, Any], *, with_container: bool = True) -> Storage:
        """From what the platform says of it. On Azure the prefix begins with the container.

        Source
        ------
        V7's guide to external storage puts the container in front of keys; darwin-py 3.6.3 takes an Azure storage's
        ``prefix`` for container and path, and makes the keys of read-only videos without the container. So it can be
        switched off.
        """
        name, provider = str(answered["name"]), str(answered.get("provider") or "aws")
        bucket = str(answered.get("bucket") or name)
        if provider == "azure":
            bucket = str(answered.get("prefix") or "").strip("/").partition("/")[0] or bucket
        return cls(name, bucket, provider, bool(answered.get("readonly")), with_container)

    def key(self, ref: FileRef) -> str | None:
        """The key of an object as the platform wants it; None for a file that does not lie in this storage.

        It goes without the bucket on AWS and GCP, and with the container on Azure.

        Source
        ------
        V7's guide "Registering Items From External Storage".
        """
        found = ref.bucket_and_key
        if found is None or found[0] != self.bucket or OBJECT_STORES.get(ref.scheme, self.provider) != self.provider:
            return None
        return f"{self.in_front}{found[1]}"

    @property
    def in_front(self) -> str:
        """What keys begin with: the container on Azure."""
        return f"{self.bucket}/" if self.provider == "azure" and self.with_container else ""


def scheme_of(storage: Storage) -> str:
    """The scheme of URLs that name what lies in a storage."""
    return next(scheme for scheme, provider in OBJECT_STORES.items() if provider == storage.provider)


def prefix_to_prepare_in(given: str | None, storage: Storage | None) -> str:
    """The URL of the prefix below which what a read-only storage demands is made; empty when nothing shall be.

    Raises
    ------
    ConfigurationError
        It is no prefix of the storage's bucket, or the storage needs nothing made.
    """
    if given is None:
        return ""
    address = str(given).rstrip("/")
    if storage is None or not storage.readonly:
        what = f"the storage {storage.name!r} is not" if storage else "no storage is named"
        msg = f"prepare is for a read-only storage, and {what}; leave prepare out: Darwin prepares files itself"
        raise ConfigurationError(msg)
    example = f"{scheme_of(storage)}://{storage.bucket}/prepared"
    if address.partition("://")[0] not in OBJECT_STORES or storage.key(FileRef(f"{address}/file")) is None:
        msg = (
            f"prepare is {given!r}, expected a prefix in the bucket of the storage {storage.name!r}, such as {example}"
        )
        raise ConfigurationError(msg)
    if any(character in "{}?#%" or ord(character) < 32 for character in address) or "//" in address.partition("://")[2]:
        msg = f"prepare is {given!r}; leave out braces, ?, #, %, control characters and empty folders: {example}"
        raise ConfigurationError(msg)
    if suspicious_name(address):
        msg = f"prepare seems to hold a patient's number or name, and Darwin is told of keys; use another: {example}"
        raise ConfigurationError(msg)
    return address


@dataclass
class Standing:
    """What of a case stands on the platform.

    Attributes
    ----------
    item : the item as the platform lists it
    annotations : ids of the annotations that are there
    fingerprint : of the case as it was put; empty while the platform does not show it
    promised : annotations of the case that its sidecar says stand on the platform in its own form
    revised : whether its annotations were changed since it was put: then none of them is missing
    tags : those that its sidecar says the item itself has
    values : those that its sidecar says are properties of the item
    values_set : the names of those of them that are there
    """

    item: Mapping[str, Any]
    annotations: set[str] = field(default_factory=set)
    fingerprint: str = ""
    promised: frozenset[str] = frozenset()
    revised: bool = False
    tags: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)
    values_set: frozenset[str] = frozenset()

    @property
    def uploads(self) -> list[Mapping[str, Any]]:
        """The uploads of the item, oldest first."""
        return list(self.item.get("uploads") or ())
