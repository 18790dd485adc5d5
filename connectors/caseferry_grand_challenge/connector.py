"""Opens Grand Challenge archives and reader studies."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from caseferry.annotation import KINDS, Category, Polyline
from caseferry.capability import Capabilities, Support
from caseferry.config import Settings
from caseferry.connector import Connector
from caseferry.errors import ConfigurationError
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge.client import GrandChallengeClient
from caseferry_grand_challenge.dataset import GrandChallengeDataset
from caseferry_grand_challenge.wire.holding import CATEGORY, STRAIGHT
from caseferry_grand_challenge.wire.images import CONVERSIONS
from caseferry_grand_challenge.wire.places import LISTS, split_name

if TYPE_CHECKING:
    from collections.abc import Iterator

PRODUCTION = "https://grand-challenge.org/api/v1/"
BESIDE = ("track", "raw")
"""Kinds of annotations that no socket is made for."""


class GrandChallengeConnector(Connector):
    """Grand Challenge archives and reader studies.

    ``grand-challenge:ARCHIVE`` and ``grand-challenge:reader-studies/STUDY``, by slug, title or identifier.

    Options: ``sidecar`` (the socket of kind Anything that holds what has no socket of its own), ``socket`` (the
    socket of the only, or first, image), ``url``, ``token``. The base of the API and the token come from
    ``GRAND_CHALLENGE_URL`` and ``GRAND_CHALLENGE_AUTHORIZATION`` when they are not given.
    """

    scheme: ClassVar[str] = "grand-challenge"
    summary: ClassVar[str] = "Grand Challenge archives and reader studies: images, values and files in sockets"
    settings: ClassVar[tuple[str, ...]] = ("sidecar", "socket", "url", "token")
    mapping_settings: ClassVar[tuple[str, ...]] = ("sidecar", "socket")

    def _client(self) -> GrandChallengeClient:
        settings = Settings(self.scheme, self.options)
        url = settings.get("url", "GRAND_CHALLENGE_URL", PRODUCTION) or PRODUCTION
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.netloc:
            msg = f"the base of Grand Challenge's API is {url!r}, expected https://HOST/api/v1/ (GRAND_CHALLENGE_URL)"
            raise ConfigurationError(msg)
        token = settings.secret("token", "GRAND_CHALLENGE_AUTHORIZATION")
        return GrandChallengeClient(url, token, settings.certificates(), connections=64)

    def open(self, name: str) -> GrandChallengeDataset:
        """Open an archive by its slug, title or identifier, or a reader study likewise; see `Connector.open`."""
        client = self._client()
        try:
            place = client.place(*split_name(name))
        except BaseException:
            client.close()
            raise
        names = self.names.with_options(sidecar=self.options.get("sidecar"), socket=self.options.get("socket"))
        return GrandChallengeDataset(
            client, place, names=names, phi=self.phi, unmapped=self.unmapped, capabilities=self.describe()
        )

    def datasets(self) -> Iterator[str]:
        """The URLs of all archives and reader studies that the token may view; see `Connector.datasets`."""
        client = self._client()
        with closing(client):
            for kind in LISTS:
                for place in client.places(kind):
                    yield f"grand-challenge:{place.name}"

    @classmethod
    def describe(cls) -> Capabilities:
        """What Grand Challenge holds, where sockets for it are there."""
        images: dict[Kind, Support] = dict.fromkeys(Kind, "converted")
        return Capabilities(
            verbs=frozenset({"items", "get", "find", "plan", "put", "annotate", "wait"}),
            images=images,
            annotations={kind: "sidecar" if kind in BESIDE else "native" for kind in KINDS},
            conversions={
                Category.kind: CATEGORY,
                Polyline.kind: STRAIGHT,
                **{str(kind): each for kind, each in CONVERSIONS.items()},
            },
            values="native",
            attachments="native",
            shows_unfinished=True,
        )
