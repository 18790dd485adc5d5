"""What speaks for one platform: it opens datasets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.deidentify import check_phi
from caseferry.errors import ConfigurationError, UnsupportedOperation
from caseferry.installed import schemes
from caseferry.mapping import read_mapping
from caseferry.mapping.overlap import read_overlap
from caseferry.mapping.unmapped import check_unmapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caseferry.capability import Capabilities
    from caseferry.case import Case
    from caseferry.connector.dataset import Dataset


class Connector(ABC):
    """Speaks for one platform.

    Parameters
    ----------
    options : settings and credentials, by the names that the connector documents, and ``mapping``, ``phi``,
        ``profile``, ``unmapped``, ``overlap`` and ``ca``
    """

    scheme: ClassVar[str]
    """The scheme of its URLs."""

    summary: ClassVar[str]
    """What it is, in one line."""

    settings: ClassVar[tuple[str, ...]] = ()
    """The names of its own options."""

    tables: ClassVar[tuple[str, ...]] = ()
    """The names of the further tables that it takes in a mapping."""

    mapping_settings: ClassVar[tuple[str, ...]] = ()
    """The names of the single settings that it takes in a mapping."""

    label_fields: ClassVar[tuple[str, ...]] = ()
    """What a mapping may say of a label beside its name, by the names of the fields; see `caseferry.mapping`."""

    COMMON: ClassVar[tuple[str, ...]] = ("mapping", "phi", "profile", "unmapped", "overlap", "ca")

    def __init__(self, **options: Any) -> None:
        unknown = sorted(set(options) - set(self.settings) - set(self.COMMON))
        if unknown:
            known = ", ".join([*self.settings, *self.COMMON])
            msg = f"{self.scheme} has no option {', '.join(unknown)}; known are {known}"
            raise ConfigurationError(msg)
        self.options = options
        self.names = read_mapping(
            options.get("mapping"), self.scheme, self.tables, self.label_fields, self.mapping_settings, schemes()
        )
        if (overlap := options.get("overlap")) is not None:
            self.names = replace(self.names, overlap=read_overlap(overlap))
        self.phi = check_phi(options.get("phi", "refuse"))
        given = options.get("unmapped")
        self.unmapped = check_unmapped(given) if given is not None else None

    @abstractmethod
    def open(self, name: str) -> Dataset:
        """Open a dataset.

        Raises
        ------
        ConfigurationError, AuthenticationFailed, NotFound, PermissionDenied
            It cannot be opened.
        """

    def datasets(self) -> Iterator[str]:
        """The URLs of all datasets that the credentials can see.

        Raises
        ------
        UnsupportedOperation
            The platform cannot list them.
        """
        raise UnsupportedOperation(self.scheme, "list datasets")

    @classmethod
    def legacy_cases(cls, document: Any, place: str) -> Iterator[Case] | None:  # noqa: ARG003  for those that have one
        """Cases of what scripts sent to an older interface of the platform; None when the document is no such thing.

        Parameters
        ----------
        place : where the files lie that it names: a folder, or the URL of a bucket; empty to take its own word

        Raises
        ------
        InvalidCase
            It is one, and cannot be used.
        """
        return None

    @classmethod
    def command(cls, arguments: Sequence[str]) -> int:  # noqa: ARG003  for connectors that have some
        """Run a command that only this platform has: ``caseferry SCHEME ARGUMENTS``; its exit code.

        Raises
        ------
        ConfigurationError
            It has none.
        """
        msg = f"{cls.scheme} has no commands of its own"
        raise ConfigurationError(msg)

    @classmethod
    def describe(cls) -> Capabilities:
        """What the platform can hold and do, as far as that is known without asking it."""
        raise NotImplementedError
