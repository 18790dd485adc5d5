"""Opens folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from caseferry.annotation import KINDS
from caseferry.capability import Capabilities
from caseferry.connector import Connector
from caseferry.errors import ConfigurationError, UnsupportedOperation
from caseferry.imaging.kinds import Kind
from caseferry_local.dataset import LocalDataset

if TYPE_CHECKING:
    from collections.abc import Iterator


class LocalConnector(Connector):
    """Cases in a folder: ``local:PATH``.

    The folder is made when the first case is put there. Directories without a ``case.json`` are read as cases too:
    the images that lie in them, each DICOM series as one.
    """

    scheme: ClassVar[str] = "local"
    summary: ClassVar[str] = "a folder: one directory per case, with case.json and the files"

    def open(self, name: str) -> LocalDataset:
        """Open a folder, which need not exist yet.

        Raises
        ------
        ConfigurationError
            The path is a file.
        """
        root = Path(name).expanduser()
        if root.exists() and not root.is_dir():
            msg = f"local:{name} is a file, expected a folder of cases"
            raise ConfigurationError(msg)
        return LocalDataset(root, names=self.names, phi=self.phi, unmapped=self.unmapped, capabilities=self.describe())

    def datasets(self) -> Iterator[str]:
        """Never: any folder may hold cases.

        Raises
        ------
        UnsupportedOperation
            Always.
        """
        raise UnsupportedOperation(self.scheme, "list datasets", "name a folder: caseferry ls local:PATH")

    @classmethod
    def describe(cls) -> Capabilities:
        """Everything, as it is."""
        return Capabilities(
            images=dict.fromkeys(Kind, "native"),
            annotations=dict.fromkeys(KINDS, "native"),
            values="native",
            attachments="native",
            tags="native",
            folders="native",
            metadata="native",
            remote=False,
            shows_unfinished=True,
        )
