"""The team: who asks, who belongs to it, and where its external storages are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate

PROVIDERS = ("aws", "azure", "gcp")

END_TO_END = "darwin-e2e-data"
"""The storage that V7's own end-to-end tests register from; only V7 has what is in it."""


class Team:
    """Calls about the team itself."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        yield gate.route("GET", "/api/users/token_info", self.token_info)
        yield gate.route("GET", "/api/teams/{team}", self.team)
        yield gate.route("GET", "/api/memberships", self.members)
        yield gate.route("GET", "/api/teams/{team}/features", self.features)
        yield gate.route("GET", "/api/teams/{team}/storage", self.storages)

    def seed(self) -> None:
        """A team of two, and one storage of each kind."""
        table = self._book.table("members")
        for given, family, role in (("Ada", "Annotator", "owner"), ("Rhea", "Reviewer", "member")):
            number = self._book.number()
            table[str(number)] = {
                "id": number,
                "user_id": self._book.number(),
                "team_id": self.number,
                "email": f"{given.lower()}@sandbox.test",
                "first_name": given,
                "last_name": family,
                "role": role,
            }
        self.add_storage("sandbox-bucket", prefix="darwin", default=True)
        self.add_storage("sandbox-readonly", prefix="darwin", readonly=True)
        self.add_storage("sandbox-azure", provider="azure", prefix="sandbox-container/darwin")
        self.add_storage(END_TO_END, prefix="data", imagined=True)

    @property
    def number(self) -> int:
        """The team's identifier."""
        team = self._book.table("team")
        if "id" not in team:
            team["id"] = self._book.number()
        return int(team["id"])

    def add_storage(
        self,
        name: str,
        *,
        provider: str = "aws",
        bucket: str | None = None,
        prefix: str = "",
        readonly: bool = False,
        default: bool = False,
        region: str | None = "eu-west-1",
        imagined: bool = False,
    ) -> None:
        """Connect an external storage. What is imagined holds an object under every key (see `imagined`)."""
        if provider not in PROVIDERS:
            msg = f"provider must be one of {PROVIDERS}, not {provider!r}"
            raise ValueError(msg)
        self._book.table("storages")[name] = {
            "name": name,
            "provider": provider,
            "bucket": bucket or name,
            "prefix": prefix,
            "readonly": readonly,
            "default": default,
            "region": region,
            "imagined": imagined,
        }

    def token_info(self, _call: Call) -> web.Response:
        """Which team the key belongs to."""
        return answer({"selected_team": {"id": self.number, "slug": self._book.team, "name": "Sandbox Team"}})

    def team(self, _call: Call) -> web.Response:
        """The team."""
        return answer({"id": self.number, "slug": self._book.team, "name": self._book.team, "default_role": "member"})

    def members(self, _call: Call) -> web.Response:
        """Who belongs to the team."""
        return answer(list(self._book.table("members").values()))

    def features(self, _call: Call) -> web.Response:
        """Feature flags. With the one flag that darwin-py looks for on, it checks instance ids itself."""
        return answer([{"name": "STATIC_INSTANCE_ID", "enabled": True}])

    def storages(self, _call: Call) -> web.Response:
        """The external storages."""
        shown = ("name", "provider", "bucket", "prefix", "readonly", "default", "region")
        kept = self._book.table("storages").values()
        return answer([{name: storage[name] for name in shown} for storage in kept])
