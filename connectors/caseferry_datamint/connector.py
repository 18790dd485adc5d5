"""Opens Datamint projects."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from caseferry.annotation import KINDS
from caseferry.capability import Capabilities, Limits, Support
from caseferry.config import Settings, user_config_folder
from caseferry.connector import Connector
from caseferry.errors import ConfigurationError, NotFound, UnexpectedResponse
from caseferry.imaging.kinds import Kind
from caseferry_datamint.client import DatamintClient
from caseferry_datamint.dataset import DatamintDataset
from caseferry_datamint.errors import PLATFORM
from caseferry_datamint.wire import annotations as marks
from caseferry_datamint.wire import uploads
from caseferry_datamint.wire.entities import Worklist
from caseferry_datamint.wire.standing import Project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PRODUCTION = "https://api.datamint.io"
_LINE = re.compile(
    r"""(?P<key>\w+):\s+(?:'(?P<single>[^']*)'|"(?P<double>[^"\\]*)"|(?P<plain>[^\s'"#][^#]*?))\s*(?:\s\#.*)?"""
)
CHOICES = {"publish": ("true", "false"), "authors": ("keep", "import")}
"""Options that take one of some words; the first is the usual one."""

NATIVE = ("label", "category", "numeric", "text", "point", "line", "polyline", "box", "polygon", "mask")


class DatamintConnector(Connector):
    """Datamint projects: ``datamint:PROJECT?channel=NAME``.

    Options
    -------
    channel : in which resources are put
    publish : ``true``, the default, or ``false``: whether resources are published at once or wait in the inbox
    worklist : the name or id of the one through which annotations count; the project's first when it is not said
    authors : ``keep``, the default: those of annotations stay beside the case; ``import``: annotations are put in the
        names of the people and models that made them, which needs an administrator's key, users of these addresses
        and models of these ids
    url, api_key : of the server and the user; else from ``DATAMINT_API_URL`` and ``DATAMINT_API_KEY``, or from the
        official client's ``datamintapi.yaml``
    """

    scheme: ClassVar[str] = "datamint"
    summary: ClassVar[str] = "Datamint projects: resources, annotations, segmentations"
    settings: ClassVar[tuple[str, ...]] = ("channel", "publish", "worklist", "authors", "url", "api_key")

    def open(self, name: str) -> DatamintDataset:
        """Open a project by its name or id; see `Connector.open`."""
        return self.opened(name, sign_in(self.options))

    def opened(self, name: str | None, client: DatamintClient) -> DatamintDataset:
        """Open a project with a client that is there already, and that the dataset will close.

        Parameters
        ----------
        name : of the project, or its id; None for the resources that are in none
        """
        try:
            project = self._project(self._named(name, client) if name is not None else None, client)
        except BaseException:
            client.http.close()
            raise
        return DatamintDataset(
            f"datamint:{quote(project.name, safe=' ')}",
            client,
            project,
            _web(client.url),
            names=self.names,
            phi=self.phi,
            unmapped=self.unmapped,
            capabilities=self.describe(),
            limits=Limits(in_flight=32, sidecar_bytes=1 << 20),
        )

    @staticmethod
    def _named(name: str, client: DatamintClient) -> Mapping[str, Any]:
        """A project, by whose name its resources can be listed."""
        found = client.project(name)
        if not found.get("name"):
            raise UnexpectedResponse(
                PLATFORM, f"open project {name!r}", "it has no name, by which its resources are listed"
            )
        return found

    def _project(self, found: Mapping[str, Any] | None, client: DatamintClient) -> Project:
        publish, authors = self._choice("publish"), self._choice("authors")
        return Project(
            str(found["id"]) if found is not None else "",
            str(found["name"]) if found is not None else "",
            self._worklist(found, client) if found is not None else self.options.get("worklist"),
            self.options.get("channel"),
            publish=publish == "true",
            import_authors=authors == "import",
        )

    def _worklist(self, project: Mapping[str, Any], client: DatamintClient) -> str | None:
        """The id of the worklist through which annotations count: the one that is asked for, else the project's first.

        Raises
        ------
        NotFound
            The project has none of that name or id.
        """
        asked, own = self.options.get("worklist"), project.get("worklist_id")
        if not asked and own:
            return str(own)
        known = [Worklist.read(row) for row in client.worklists(str(project["id"]))]
        found = next((each.id for each in known if not asked or asked in {each.id, each.name}), None)
        if asked and known and found is None:
            names = ", ".join(sorted(each.name for each in known))
            what = f"open worklist {asked!r} of project {project.get('name')!r}"
            raise NotFound(PLATFORM, what, f"there is no such worklist; the project has {names}")
        return found or asked

    def _choice(self, option: str) -> str:
        words = CHOICES[option]
        word = str(self.options.get(option, words[0])).lower()
        if word not in words:
            msg = f"{option} is {word!r}, expected {' or '.join(words)}"
            raise ConfigurationError(msg)
        return word

    def datasets(self) -> Iterator[str]:
        """The URLs of all projects; see `Connector.datasets`."""
        for project in sign_in(self.options).rows("projects"):
            yield f"datamint:{quote(str(project.get('name') or project['id']), safe=' ')}"

    @classmethod
    def describe(cls) -> Capabilities:
        """What Datamint holds."""
        images: dict[Kind, Support] = dict.fromkeys(Kind, "native")
        images |= dict.fromkeys(uploads.CONVERSIONS, "converted")
        annotations: dict[str, Support] = {
            kind: "native" if kind in NATIVE else "converted" if kind in marks.CONVERSIONS else "sidecar"
            for kind in KINDS
        }
        return Capabilities(
            images=images,
            annotations=annotations,
            conversions={**marks.CONVERSIONS, **{str(kind): each for kind, each in uploads.CONVERSIONS.items()}},
            tags="native",
        )


def sign_in(options: Mapping[str, Any]) -> DatamintClient:
    """A client for the server and the key that are given, or that are found where users keep them.

    Raises
    ------
    ConfigurationError
        The address is none.
    MissingCredentials
        There is no key.
    """
    settings = Settings(DatamintConnector.scheme, options, _own_file())
    url = settings.get("url", "DATAMINT_API_URL", PRODUCTION) or PRODUCTION
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        msg = f"the address of Datamint is {url!r}, expected https://HOST (DATAMINT_API_URL)"
        raise ConfigurationError(msg)
    return DatamintClient(url, settings.secret("api_key", "DATAMINT_API_KEY"), settings.certificates())


def _web(url: str) -> str:
    """Where people see what the interface at `url` holds."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.replace('api.', 'app.', 1)}"


def _own_folder() -> Path:
    """Where the official client keeps its configuration: where platformdirs says."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "datamintapi"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "datamintapi" / "datamintapi"
    return user_config_folder("datamintapi")


def _own_file() -> dict[str, str]:
    """What the official client's configuration file says; it is flat YAML of ``key: value`` lines."""
    try:
        lines = (_own_folder() / "datamintapi.yaml").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    known = {"default_api_url": "url", "api_key": "api_key"}
    found = (_LINE.fullmatch(line) for line in lines)
    said = {match["key"]: match["single"] or match["double"] or match["plain"] for match in found if match is not None}
    return {known[key]: value for key, value in said.items() if key in known and value}
