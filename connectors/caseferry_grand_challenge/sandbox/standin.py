"""The stand-in itself, and what tests may ask of it besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.accounts import UPLOADER, UPLOADER_TOKEN, VIEWER
from caseferry_grand_challenge.sandbox.forms import API, Record
from caseferry_grand_challenge.sandbox.kinds import KINDS
from caseferry_grand_challenge.sandbox.seeds import Socket, seed_sockets, socket_row
from caseferry_grand_challenge.sandbox.uploads import take_part
from caseferry_grand_challenge.sandbox.urls import routes
from caseferry_grand_challenge.sandbox.work import resume
from caseferry_grand_challenge.sandbox.world import TABLES, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

    from caseferry.sandbox.standin import Host

VERSIONS = {"latest_version": "0.16.1", "lowest_supported_version": "0.13.0"}
"""The official client compares its own version with these when it is made."""


class GrandChallengeStandIn(World):
    """A stand-in of grand-challenge.org for moving cases.

    A new one has the archive ``sandbox``, the reader study ``sandbox-study`` and sockets of every kind. Its
    accounts are those of `accounts`. What it does later, and how that is made to fail, is in `work`.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        host.store.when_stored(lambda key, blob: take_part(self, key, blob))

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The routes of the API and of the files."""
        return routes(self)

    def variables(self, ca_file: str) -> Mapping[str, str]:
        """What the official client and the connector are configured with."""
        return {
            "GRAND_CHALLENGE_URL": f"{self.host.origin}{API}",
            "GRAND_CHALLENGE_AUTHORIZATION": UPLOADER_TOKEN,
            "CASEFERRY_CA": ca_file,
        }

    def seed(self) -> None:
        """An archive, a reader study, the sockets."""
        self.state.update({name: {} for name in TABLES}, versions=dict(VERSIONS))
        for row in seed_sockets():
            self.table("sockets")[row["slug"]] = row
        self.add_archive("sandbox", "Sandbox")
        self.add_reader_study("sandbox-study", "Sandbox Study")

    def resume(self) -> None:
        """Go on with the work that a stopped sandbox left."""
        resume(self)

    def add_archive(
        self,
        slug: str,
        title: str,
        *,
        public: bool = False,
        roles: Mapping[str, str] | None = None,
        sockets: Iterable[str] | None = None,
    ) -> str:
        """Add an archive. Returns its identifier.

        Parameters
        ----------
        public : whether everybody may view it, without an account too
        roles : by account number: ``user``, ``uploader`` or ``editor``; None makes the main account its
            uploader and the viewer its user
        sockets : the only sockets that it takes, as an archive of a challenge's phase does; None takes all
        """
        row: Record = {"slug": slug, "title": title, "public": public}
        row["sockets"] = None if sockets is None else list(sockets)
        return self._add_place("archives", row, roles, ("uploader", "user"))

    def add_reader_study(
        self, slug: str, title: str, *, public: bool = False, roles: Mapping[str, str] | None = None
    ) -> str:
        """Add a reader study. Returns its identifier.

        Parameters
        ----------
        roles : by account number: ``reader`` or ``editor``; None makes the main account its editor and the
            viewer its reader
        """
        row = {"slug": slug, "title": title, "public": public, "sets": []}
        row["view_content"] = {"main": ["ct-image"]}
        return self._add_place("studies", row, roles, ("editor", "reader"))

    def add_socket(
        self,
        slug: str,
        kind: str,
        *,
        title: str = "",
        relative_path: str | None = None,
        in_database: bool | None = None,
        schema: dict[str, Any] | None = None,
        segments: tuple[str, ...] = (),
    ) -> Record:
        """Add a socket, or put one in the place of another of the same slug.

        Parameters
        ----------
        kind : as the API shows it, for example ``Multiple polygons``
        in_database : whether a JSON kind is set by value rather than by file; None as the platform does now
        schema : what values must fulfil besides their kind's schema
        segments : names of the voxel values from 1 on, which a segmentation needs

        Raises
        ------
        ValueError
            No such kind.
        """
        if kind not in KINDS:
            msg = f"no kind of socket is called {kind!r}; there are {', '.join(KINDS)}"
            raise ValueError(msg)
        sockets = self.table("sockets")
        number = max((int(row["pk"]) for row in sockets.values()), default=0) + 1
        name = title or slug.replace("-", " ").title()
        row = socket_row(
            Socket(slug, name, kind, number, "", relative_path, in_database, schema or {}, segments), number
        )
        sockets[slug] = row
        return row

    def require_client(self, version: str) -> None:
        """Support only versions of the official client from this one on."""
        self.state["versions"]["lowest_supported_version"] = version

    def mark_answered(self, display_set: str) -> None:
        """Let a display set have answers, after which the platform refuses to change it."""
        self.table("sets")[display_set]["answered"] = True

    def _add_place(self, table: str, row: Record, roles: Mapping[str, str] | None, usual: tuple[str, str]) -> str:
        pk, (first, second) = self.uuid(), usual
        self.table(table)[pk] = row | {
            "pk": pk,
            "description": f"{row['title']} of the sandbox",
            "roles": dict(roles) if roles is not None else {str(UPLOADER.pk): first, str(VIEWER.pk): second},
        }
        return pk
