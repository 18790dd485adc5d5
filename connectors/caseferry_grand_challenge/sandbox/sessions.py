"""Upload sessions: uploads that become images, and what is to be done with the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_grand_challenge.sandbox import shapes
from caseferry_grand_challenge.sandbox.forms import MISSING, Form, identified, link_list, named
from caseferry_grand_challenge.sandbox.pages import page
from caseferry_grand_challenge.sandbox.refusals import RefusedError
from caseferry_grand_challenge.sandbox.values import FILES_PER_SESSION, TOO_MANY_FILES
from caseferry_grand_challenge.sandbox.work import running_post_processing, start_import
from caseferry_grand_challenge.sandbox.world import reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Record

MOST_POST_PROCESSING = 16


async def sessions(call: Call) -> web.Response:
    """The sessions of who asks."""
    rows = [
        row for row in call.world.table("sessions").values() if call.user is not None and row["creator"] == call.user.pk
    ]
    return page(call, rows, lambda row: shapes.session(call.world, row))


async def session(call: Call) -> web.Response:
    """One session."""

    def find(pk: str) -> Record | None:
        row: Record | None = call.world.table("sessions").get(pk)
        own = row is not None and call.user is not None and row["creator"] == call.user.pk
        return row if own else None

    return answer(shapes.session(call.world, call.found("RawImageUploadSession", find)))


async def create(call: Call) -> web.Response:
    """A new session. With a target the import begins, without one it waits for a change that names it."""
    form = Form(await call.body())
    uploads = form.read("uploads", lambda value: link_list(value, "upload", _completed(call)))
    socket = form.read("interface", lambda value: named(value, call.world.socket), required=False)
    targets = _targets(call, form)
    form.done()
    _check(call, uploads, targets, has_socket=socket is not MISSING)
    row = call.world.new_session(call.someone().pk, [upload["pk"] for upload in uploads])
    shown = shapes.session(call.world, row)
    if targets:
        target: Record = {"socket": None if socket is MISSING else socket["slug"]}
        if "archive" in targets:
            target["archive"] = targets["archive"]["pk"]
        else:
            (case,) = targets.values()
            target["case"] = reference(case)
        start_import(call, row, target)
    return answer(shown, 201)


def _targets(call: Call, form: Form) -> dict[str, Record]:
    """What the images are for, by the field that says so. There can only be one, which is checked later."""
    world = call.world

    def archive(slug: str) -> Record | None:
        for row in world.table("archives").values():
            if row["slug"] == slug and world.may_change(call.user, row):
                found: Record = row
                return found
        return None

    def case(table: str) -> Callable[[str], Record | None]:
        def find(pk: str) -> Record | None:
            row: Record | None = world.table(table).get(pk)
            return row if row is not None and world.may_change(call.user, world.place(row)) else None

        return find

    read = {
        "archive": form.read("archive", lambda value: named(value, archive), required=False),
        "archive_item": form.read("archive_item", lambda value: identified(value, case("items")), required=False),
        "display_set": form.read("display_set", lambda value: identified(value, case("sets")), required=False),
        "answer": form.read("answer", lambda value: identified(value, lambda _: None), required=False),
    }
    return {name: row for name, row in read.items() if row is not MISSING}


def _completed(call: Call) -> Callable[[str], Record | None]:
    user = call.someone()

    def find(pk: str) -> Record | None:
        row: Record | None = call.world.table("uploads").get(pk)
        usable = row is not None and row["creator"] == user.pk and row["status"] == "Completed"
        return row if usable else None

    return find


def _check(call: Call, uploads: list[Record], targets: dict[str, Record], *, has_socket: bool) -> None:
    running = running_post_processing(call.world, call.someone().pk)
    problem = None
    if running >= MOST_POST_PROCESSING:
        problem = (
            f"You currently have {running} active image post processing tasks. "
            "Please wait for them to complete before trying again."
        )
    elif len(uploads) > FILES_PER_SESSION:
        problem = TOO_MANY_FILES
    elif len({upload["filename"] for upload in uploads}) != len(uploads):
        problem = "Filenames must be unique"
    elif len(targets) > 1:
        problem = "Only one of archive, archive item, answer or reader study can be set"
    elif has_socket and not targets:
        problem = "An interface can only be defined for archive, archive item or display set uploads."
    elif "archive_item" in targets and not has_socket:
        problem = "An interface needs to be defined to upload to an archive item."
    elif "display_set" in targets and not has_socket:
        problem = "An interface needs to be defined to upload to a display set."
    if problem is not None:
        raise RefusedError(400, {"non_field_errors": [problem]})
