"""Opens Darwin datasets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from caseferry.annotation import KINDS
from caseferry.capability import Capabilities, Limits, Support
from caseferry.config import Settings
from caseferry.connector import Connector
from caseferry.errors import ConfigurationError, NotFound
from caseferry.imaging.kinds import Kind
from caseferry.mapping.unmapped import makes_names
from caseferry_darwin.client import EXTERNAL_AT_ONCE, REGISTRATIONS_A_MINUTE, DarwinClient
from caseferry_darwin.dataset import DarwinDataset
from caseferry_darwin.setup import command
from caseferry_darwin.wire import annotations as marks
from caseferry_darwin.wire import legacy, slotfile
from caseferry_darwin.wire.display import SINGLE_SETTINGS, TABLES, read_displays, read_window
from caseferry_darwin.wire.outlines import KINDS as OUTLINE_KINDS
from caseferry_darwin.wire.outlines import MASKS, OUTLINED
from caseferry_darwin.wire.place import Place, Storage, prefix_to_prepare_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caseferry.case import Case

PRODUCTION = "https://darwin.v7labs.com"
BESIDE = ("angle", "raw")
"""Kinds of annotations that have no form on the platform."""


class DarwinConnector(Connector):
    """Darwin datasets: ``darwin:TEAM/DATASET?storage=NAME``.

    Options: ``storage`` (an external storage of the team: files that lie in its bucket are registered where they lie,
    others are uploaded), ``prepare`` (the URL of a prefix in the bucket of a read-only storage, such as
    ``s3://BUCKET/PREFIX``: what Darwin demands there is made of images that lie anywhere, and written below it),
    ``window`` (center and width of the values that are seen in it, such as ``40,400``; else what the header says, or
    all values), ``container`` (``true``, the default: keys on Azure begin with the container), ``url``, ``api_key``.
    What is done about classes that the team lacks is said by ``unmapped``. Host, key and team come from
    ``DARWIN_BASE_URL``, ``DARWIN_API_KEY`` and ``DARWIN_TEAM`` when they are not given, or from darwin-py's
    ``~/.darwin/config.yaml``. How images are shown is said by the mapping; see
    `caseferry_darwin.wire.display`.
    """

    scheme: ClassVar[str] = "darwin"
    summary: ClassVar[str] = "V7 Darwin datasets: items with slots, classes, folders, external storage"
    settings: ClassVar[tuple[str, ...]] = ("storage", "prepare", "window", "container", "url", "api_key", "team")
    tables: ClassVar[tuple[str, ...]] = TABLES
    mapping_settings: ClassVar[tuple[str, ...]] = SINGLE_SETTINGS
    label_fields: ClassVar[tuple[str, ...]] = ("colour", "code", MASKS)

    def __init__(self, **options: Any) -> None:
        if "create" in options:
            msg = (
                "darwin's option create is unmapped now: create=false is unmapped=sidecar, create=true unmapped=create"
            )
            raise ConfigurationError(msg)
        super().__init__(**options)
        for name, details in self.names.details.items():
            if (wanted := details.get(MASKS, "mask")) not in OUTLINE_KINDS:
                msg = f"the mapping has {MASKS} = {wanted!r} for {name!r} in darwin.labels, expected mask or polygon"
                raise ConfigurationError(msg)
        self.displays = read_displays(self.names)
        if (window := options.get("window")) is not None:
            if not options.get("prepare"):
                msg = "window says how images are seen that are made for a read-only storage; give prepare, too"
                raise ConfigurationError(msg)
            self.displays = replace(self.displays, window=read_window(window, "window"))

    def _switch(self, name: str) -> bool:
        """An option that is on unless it is said to be off."""
        value = str(self.options.get(name, "true")).lower()
        if value not in {"true", "false"}:
            msg = f"{name} is {value!r}, expected true or false"
            raise ConfigurationError(msg)
        return value == "true"

    def _client(self, team: str | None) -> tuple[DarwinClient, str]:
        settings = Settings(self.scheme, self.options, _own_file(team))
        url = settings.get("url", "DARWIN_BASE_URL", PRODUCTION) or PRODUCTION
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            msg = f"the address of Darwin is {url!r}, expected https://HOST (DARWIN_BASE_URL)"
            raise ConfigurationError(msg)
        key = settings.secret("api_key", "DARWIN_API_KEY")
        return DarwinClient(url, key, settings.certificates(), self._limits()), url

    def sign_in(self, wanted: str | None = "") -> tuple[DarwinClient, str, str]:
        """A client, the team of its key, and the address of the server.

        Parameters
        ----------
        wanted : the team that the key must be of; as the options say when it is empty, any when None

        Raises
        ------
        MissingCredentials, AuthenticationFailed
            There is no key, or it is not accepted.
        ConfigurationError
            It is of another team.
        """
        if wanted == "":
            wanted = str(Settings(self.scheme, self.options).get("team", "DARWIN_TEAM", "") or "")
        client, url = self._client(wanted or None)
        team = client.team()
        if wanted and wanted != team:
            msg = f"the key belongs to team {team!r}, and {wanted!r} is asked for; use a key of that team"
            raise ConfigurationError(msg)
        return client, team, url.rstrip("/")

    def _limits(self) -> Limits:
        return Limits(
            in_flight=32,
            sidecar_bytes=1 << 20,
            batch=self.displays.batch or EXTERNAL_AT_ONCE,
            per_minute=REGISTRATIONS_A_MINUTE,
        )

    def open(self, name: str) -> DarwinDataset:
        """Open a dataset by ``TEAM/DATASET``; see `Connector.open`."""
        wanted, slash, slug = name.partition("/")
        if not slash:
            wanted, slug = "", name
        container = self._switch("container")
        client, team, url = self.sign_in(wanted)
        known = client.datasets()
        found = next((each for each in known if slug in {each.get("slug"), each.get("name")}), None)
        if found is None:
            names = ", ".join(sorted(str(each.get("slug")) for each in known)[:10]) or "none"
            raise NotFound(
                self.scheme, f"open dataset {name!r}", f"there is no such dataset; team {team!r} has {names}"
            )
        with ThreadPoolExecutor(1, thread_name_prefix="caseferry-members") as pool:
            members, classes = pool.submit(client.members), client.classes(int(found["id"]))
        storage = _storage(client, self.options.get("storage"), with_container=container)
        place = Place(
            team,
            str(found["slug"]),
            int(found["id"]),
            classes,
            self.names,
            self.displays,
            create=makes_names(self.unmapped or "accept"),
            storage=storage,
            prepare=prefix_to_prepare_in(self.options.get("prepare"), storage),
            members=members.result(),
        )
        return DarwinDataset(
            f"darwin:{team}/{place.dataset}",
            client,
            place,
            url,
            phi=self.phi,
            unmapped=self.unmapped,
            capabilities=self.describe(),
            limits=self._limits(),
        )

    def datasets(self) -> Iterator[str]:
        """The URLs of all datasets of the key's team; see `Connector.datasets`."""
        client, team, _ = self.sign_in(None)
        for dataset in client.datasets():
            yield f"darwin:{team}/{dataset['slug']}"

    @classmethod
    def legacy_cases(cls, document: Any, place: str) -> Iterator[Case] | None:
        """Cases of a registration for Darwin's first interface; see `Connector.legacy_cases`."""
        if not legacy.is_legacy(document):
            return None

        def located(item: Mapping[str, Any]) -> str:
            key = item.get("storage_key")
            base = place or (f"s3://{document.get('storage_name', '')}" if key else ".")
            inside = str(key) if key else f"{item['path'].strip('/')}/{item['name']}".lstrip("/")
            return f"{base.rstrip('/')}/{inside}"

        return legacy.cases(document, located)

    @classmethod
    def command(cls, arguments: Sequence[str]) -> int:
        """Run ``caseferry darwin policy`` and the like; see `Connector.command`."""
        return command(arguments)

    @classmethod
    def describe(cls) -> Capabilities:
        """What Darwin holds."""
        images: dict[Kind, Support] = dict.fromkeys(Kind, "native")
        images |= dict.fromkeys(slotfile.CONVERSIONS, "converted")
        annotations: dict[str, Support] = {
            kind: "converted" if kind in marks.CONVERSIONS else "sidecar" if kind in BESIDE else "native"
            for kind in KINDS
        }
        return Capabilities(
            images=images,
            annotations=annotations,
            conversions={
                **marks.CONVERSIONS,
                "mask": OUTLINED,
                **{str(kind): each for kind, each in slotfile.CONVERSIONS.items()},
            },
            values="native",
            tags="native",
            folders="native",
            shows_unfinished=True,
        )


def _storage(client: DarwinClient, name: str | None, *, with_container: bool) -> Storage | None:
    if name is None:
        return None
    known = client.storages()
    for each in known:
        if each.get("name") == name:
            return Storage.read(each, with_container=with_container)
    names = ", ".join(sorted(str(each.get("name")) for each in known)) or "none"
    msg = f"the team has no storage {name!r}; it has {names}"
    raise ConfigurationError(msg)


def _own_file(team: str | None) -> dict[str, str]:
    """What darwin-py's configuration file says: YAML of two levels, ``global`` and ``teams`` with a table each."""
    try:
        lines = (Path.home() / ".darwin" / "config.yaml").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    tables: dict[tuple[str, ...], dict[str, str]] = {}
    path: list[tuple[int, str]] = []
    for line in lines:
        depth = len(line) - len(line.lstrip())
        key, colon, value = line.strip().partition(":")
        if not colon or key.startswith("#"):
            continue
        path = [(level, name) for level, name in path if level < depth]
        if value.strip():
            tables.setdefault(tuple(name for _, name in path), {})[key] = value.strip().strip("'\"")
        else:
            path.append((depth, key))
    general = tables.get(("global",), {})
    own = tables.get(("teams", team or general.get("default_team", "")), {})
    found = {"url": general.get("base_url", ""), "api_key": own.get("api_key", "")}
    return {key: value for key, value in found.items() if value}
