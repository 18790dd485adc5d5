"""Datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox.book import second
from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, slug, text
from caseferry_darwin.sandbox.workflows import workflow_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate
    from caseferry_darwin.sandbox.team import Team

CHANGEABLE = ("name", "instructions", "public", "annotation_hotkeys", "work_size")


class Datasets:
    """Calls about datasets."""

    def __init__(self, book: Book, team: Team) -> None:
        self._book = book
        self._team = team

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        yield gate.route("GET", "/api/datasets", self.listing)
        yield gate.route("POST", "/api/datasets", self.create)
        yield gate.route("GET", "/api/datasets/{id}", self.show)
        yield gate.route("PUT", "/api/datasets/{id}", self.change)
        yield gate.route("PUT", "/api/datasets/{id}/archive", self.archive)
        yield gate.route("GET", "/api/datasets/{id}/attributes", self.attributes)

    def listing(self, _call: Call) -> web.Response:
        """All datasets that are not archived; the platform neither pages nor filters here."""
        return answer([self._view(d) for d in self._book.table("datasets").values() if not d["archived"]])

    def create(self, call: Call) -> web.Response:
        """Make a dataset."""
        return answer(self._view(self.add(text(call.fields.get("name"), "name"))), 201)

    def add(self, name: str) -> Json:
        """Make a dataset and its workflow.

        On the platform a person attaches the workflow; here every dataset has one, so that items can be moved
        through its stages.
        """
        if self._book.dataset(slug(name)) is not None:
            raise Invalid("name", "has already been taken")
        number = self._book.number()
        dataset: Json = {
            "id": number,
            "name": name,
            "slug": slug(name),
            "archived": False,
            "archived_at": None,
            "instructions": "",
            "inserted_at": second(),
            "updated_at": second(),
        }
        self._book.table("datasets")[str(number)] = dataset
        workflow = workflow_of(self._book, dataset, self._team.number)
        dataset["workflow_ids"] = [workflow["id"]]
        return dataset

    def show(self, call: Call) -> web.Response:
        """One dataset."""
        return answer(self._view(self._book.row("datasets", call["id"])))

    def change(self, call: Call) -> web.Response:
        """Change some of a dataset's fields."""
        dataset = self._book.row("datasets", call["id"])
        fields = call.fields
        for name in CHANGEABLE:
            if name in fields:
                dataset[name] = fields[name]
        dataset["updated_at"] = second()
        return answer(self._view(dataset))

    def archive(self, call: Call) -> web.Response:
        """Remove a dataset from sight; its name becomes free."""
        dataset = self._book.row("datasets", call["id"])
        dataset |= {"archived": True, "archived_at": second(), "updated_at": second()}
        return answer(self._view(dataset))

    def attributes(self, call: Call) -> web.Response:
        """The attributes that the classes of a dataset offer."""
        held = {"id": self._book.row("datasets", call["id"])["id"]}
        return answer(
            [
                {"id": attribute["id"], "class_id": entry["id"], "name": attribute["name"]}
                for entry in self._book.table("classes").values()
                if held in entry["datasets"]
                for attribute in entry["attributes"]
            ]
        )

    def _view(self, dataset: Json) -> Json:
        items = list(self._book.held(dataset["id"]))
        done = sum(item["status"] == "complete" for item in items)
        videos = sum(any(slot["type"] == "video" for slot in item["slots"]) for item in items)
        classes = sum(
            any(held["id"] == dataset["id"] for held in entry["datasets"])
            for entry in self._book.table("classes").values()
        )
        return dataset | {
            "active": not dataset["archived"],
            "annotation_hotkeys": dataset.get("annotation_hotkeys", {}),
            "num_classes": classes,
            "num_images": len(items) - videos,
            "num_items": len(items),
            "num_videos": videos,
            "parent_id": None,
            "progress": done / len(items) if items else 0.0,
            "public": dataset.get("public", False),
            "team_id": self._team.number,
            "team_slug": self._book.team,
            "thumbnails": [],
            "version": 2,
            "work_size": dataset.get("work_size"),
        }
