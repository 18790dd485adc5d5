"""Workflows: the stages that items pass through."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from aiohttp import web

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox.book import second
from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, records, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate

STAGES = ("dataset", "annotate", "review", "complete")

STATUS = {
    "dataset": "new",
    "annotate": "annotate",
    "review": "review",
    "complete": "complete",
    "archive": "archived",
}
"""The status that an item has in a stage. Stages of other types count as annotating."""


def workflow_of(book: Book, dataset: Json, team_id: int) -> Json:
    """Make a workflow with one stage of each common type for a dataset."""
    stages: list[Json] = [
        {
            "id": book.uuid(),
            "name": kind.capitalize(),
            "type": kind,
            "assignable_users": [],
            "edges": [],
            "config": {"dataset_id": dataset["id"] if kind == "dataset" else None, "initial": kind == "dataset"},
        }
        for kind in STAGES
    ]
    for source, target in pairwise(stages):
        edge = {"id": book.uuid(), "source_stage_id": source["id"], "target_stage_id": target["id"]}
        source["edges"].append(edge | {"name": "default"})
    workflow: Json = {
        "id": book.uuid(),
        "name": f"{dataset['name']} workflow",
        "team_id": team_id,
        "dataset_id": dataset["id"],
        "stages": stages,
        "inserted_at": second(),
        "updated_at": second(),
    }
    book.table("workflows")[workflow["id"]] = workflow
    return workflow


def stage_of(book: Book, workflow_id: object, stage_id: object) -> Json:
    """A stage of a workflow."""
    workflow = book.table("workflows").get(str(workflow_id))
    if workflow is None:
        raise Invalid("workflow_id", "does not exist")
    for stage in workflow["stages"]:
        if stage["id"] == stage_id:
            return stage  # type: ignore[no-any-return]
    raise Invalid("stage_id", "does not belong to the workflow")


class Workflows:
    """Calls about workflows."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        base = "/api/v2/teams/{team}/workflows"
        yield gate.route("GET", base, self.listing)
        yield gate.route("GET", base + "/{id}", self.show)
        yield gate.route("PUT", base + "/{id}", self.change)
        yield gate.route("DELETE", base + "/{id}", self.delete)

    def listing(self, _call: Call) -> web.Response:
        """All workflows."""
        return answer([self._view(workflow) for workflow in self._book.table("workflows").values()])

    def show(self, call: Call) -> web.Response:
        """One workflow."""
        return answer(self._view(self._book.row("workflows", call["id"])))

    def change(self, call: Call) -> web.Response:
        """Rename a workflow or change its stages; without a dataset in them it is detached from its dataset."""
        workflow = self._book.row("workflows", call["id"])
        workflow["name"] = text(call.fields.get("name", workflow["name"]), "name")
        workflow["stages"] = records(call.fields.get("stages", workflow["stages"]), "stages")
        attached = [stage["config"].get("dataset_id") for stage in workflow["stages"] if stage["type"] == "dataset"]
        if not any(attached):
            self._detach(workflow)
        workflow["updated_at"] = second()
        return answer(self._view(workflow))

    def delete(self, call: Call) -> web.Response:
        """Delete a workflow."""
        workflow = self._book.row("workflows", call["id"])
        self._detach(workflow)
        del self._book.table("workflows")[workflow["id"]]
        return web.Response(status=204)

    def _detach(self, workflow: Json) -> None:
        dataset = self._book.table("datasets").get(str(workflow["dataset_id"]))
        if dataset is not None:
            dataset["workflow_ids"] = []
        workflow["dataset_id"] = None

    def _view(self, workflow: Json) -> Json:
        dataset = self._book.table("datasets").get(str(workflow["dataset_id"]))
        return workflow | {
            "dataset": dataset
            and {"id": dataset["id"], "name": dataset["name"], "instructions": dataset["instructions"]},
            "thumbnails": [],
        }
