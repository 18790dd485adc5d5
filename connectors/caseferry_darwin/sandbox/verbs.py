"""What is done to items: archived, restored, deleted, moved, assigned, tagged, commented on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox import tags
from caseferry_darwin.sandbox.book import second
from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, folder, number, record, records, text, whole
from caseferry_darwin.sandbox.filters import Filters
from caseferry_darwin.sandbox.slots import layout_of
from caseferry_darwin.sandbox.workflows import STATUS, stage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate

UNREADY = {"uploading", "processing", "error"}
"""What an item is before it can be annotated."""


class Verbs:
    """Calls that change items."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        base = "/api/v2/teams/{team}/items"
        yield gate.route("DELETE", base, self.delete)
        yield gate.route("POST", base + "/archive", lambda call: self._archive(call, archived=True))
        yield gate.route("POST", base + "/restore", lambda call: self._archive(call, archived=False))
        yield gate.route("POST", base + "/stage", self.stage)
        yield gate.route("POST", base + "/assign", self.assign)
        yield gate.route("POST", base + "/path", self.path)
        yield gate.route("POST", base + "/priority", self.priority)
        yield gate.route("POST", base + "/layout", self.layout)
        yield gate.route("POST", base + "/slots/tags", self.tag)
        yield gate.route("DELETE", base + "/slots/tags", self.untag)
        yield gate.route("GET", base + "/{id}/comment_threads", self.threads)
        yield gate.route("POST", base + "/{id}/comment_threads", self.open_thread)
        yield gate.route("GET", base + "/{id}/comment_threads/{thread}/comments", self.comments)
        yield gate.route("POST", base + "/{id}/comment_threads/{thread}/comments", self.comment)

    def delete(self, call: Call) -> web.Response:
        """Delete items for good."""
        gone = self._meant(call)
        for item in gone:
            self._book.remove(item)
        return answer({"affected_item_count": len(gone)})

    def _archive(self, call: Call, *, archived: bool) -> web.Response:
        meant = self._meant(call)
        for item in meant:
            item["archived"] = archived
            self._book.touch(item)
        return answer({"affected_item_count": len(meant)})

    def stage(self, call: Call) -> web.Response:
        """Move items to a stage of their workflow."""
        stage = stage_of(self._book, call.fields.get("workflow_id"), call.fields.get("stage_id"))
        meant = self._ready(call)
        for item in meant:
            item |= {"stage": stage["id"], "workflow": call.fields["workflow_id"]}
            item["status"] = STATUS.get(stage["type"], "annotate")
            self._book.touch(item)
        return answer({"created_commands": len(meant)})

    def assign(self, call: Call) -> web.Response:
        """Assign items to a member of the team."""
        assignee = whole(call.fields.get("assignee_id"), "assignee_id")
        if assignee not in {member["user_id"] for member in self._book.table("members").values()}:
            raise Invalid("assignee_id", "does not exist")
        self._book.row("workflows", call.fields.get("workflow_id"))
        meant = self._ready(call)
        for item in meant:
            item["assignees"] = sorted({*item["assignees"], assignee})
            self._book.touch(item)
        return answer({"created_commands": len(meant)})

    def path(self, call: Call) -> web.Response:
        """Move items to another folder."""
        target = folder(text(call.fields.get("path"), "path"), "path")
        meant = self._meant(call)
        for item in meant:
            there = self._book.at(item["dataset_id"], target, item["name"])
            if there is not None and there is not item:
                raise Invalid("path", f"{item['name']} is there already")
        for item in meant:
            self._book.move(item, target)
        return answer({"affected_item_count": len(meant)})

    def priority(self, call: Call) -> web.Response:
        """Set the priority of items."""
        value = whole(call.fields.get("priority"), "priority")
        meant = self._meant(call)
        for item in meant:
            item["priority"] = value
            self._book.touch(item)
        return answer({"affected_item_count": len(meant)})

    def layout(self, call: Call) -> web.Response:
        """Change how the slots of items stand beside each other."""
        meant = self._ready(call)
        for item in meant:
            layout = layout_of({"layout": record(call.fields.get("layout"), "layout")}, item["slots"], "items")
            item["layout"] = layout
            self._book.touch(item)
        return answer({"affected_item_count": len(meant)})

    def tag(self, call: Call) -> web.Response:
        """Annotate items with a tag."""
        entry = self._tag(call)
        meant = self._ready(call)
        for item in meant:
            tags.attach(self._book, item, [entry["name"]], item["slots"][0]["slot_name"])
        return answer({"created_commands": len(meant)})

    def untag(self, call: Call) -> web.Response:
        """Take a tag from items."""
        entry = self._tag(call)
        meant = self._ready(call)
        for item in meant:
            kept = self._book.annotations(item["id"])
            for annotation in [a for a in kept.values() if a["annotation_class_id"] == entry["id"]]:
                del kept[annotation["id"]]
        return answer({"created_commands": len(meant)})

    def threads(self, call: Call) -> web.Response:
        """The comment threads of an item."""
        item = self._book.row("items", call["id"])
        return answer(self._book.table("threads").get(item["id"], []))

    def open_thread(self, call: Call) -> web.Response:
        """Comment on a place of an item."""
        item = self._book.row("items", call["id"])
        fields = call.fields
        box = record(fields.get("bounding_box"), "bounding_box")
        slot_name = text(fields.get("slot_name"), "slot_name")
        if slot_name not in {slot["slot_name"] for slot in item["slots"]}:
            raise Invalid("slot_name", "does not exist")
        thread: Json = {
            "id": self._book.uuid(),
            "dataset_item_id": item["id"],
            "slot_name": slot_name,
            "bounding_box": {side: number(box.get(side), "bounding_box") for side in "xywh"},
            "resolved": False,
            "comments": [],
            "inserted_at": second(),
            "updated_at": second(),
        }
        for entry in records(fields.get("comments"), "comments"):
            self._say(thread, entry)
        self._book.table("threads").setdefault(item["id"], []).append(thread)
        return answer(thread, 201)

    def comments(self, call: Call) -> web.Response:
        """What was said in a thread."""
        return answer(self._thread(call)["comments"])

    def comment(self, call: Call) -> web.Response:
        """Say something in a thread."""
        return answer(self._say(self._thread(call), call.fields), 201)

    def _say(self, thread: Json, entry: Json) -> Json:
        author = next(iter(self._book.table("members").values()))
        comment = {
            "id": self._book.uuid(),
            "body": text(entry.get("body"), "body"),
            "author_id": author["user_id"],
            "inserted_at": second(),
        }
        thread["comments"].append(comment)
        return comment

    def _thread(self, call: Call) -> Json:
        self._book.row("items", call["id"])
        threads = {thread["id"]: thread for thread in self._book.table("threads").get(call["id"], [])}
        if call["thread"] not in threads:
            raise Invalid("thread", "does not exist")
        return threads[call["thread"]]  # type: ignore[no-any-return]

    def _tag(self, call: Call) -> Json:
        number = whole(call.fields.get("annotation_class_id"), "annotation_class_id")
        entry: Json | None = self._book.table("classes").get(str(number))
        if entry is None or entry["annotation_types"][0] != "tag":
            raise Invalid("annotation_class_id", "is not a tag")
        return entry

    def _meant(self, call: Call) -> list[Json]:
        return list(Filters.of_body(self._book, call.fields).items())

    def _ready(self, call: Call) -> list[Json]:
        return [item for item in self._meant(call) if item["status"] not in UNREADY]
