"""Reader studies and their display sets, as far as moving cases goes: no questions, no answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_grand_challenge.sandbox import shapes
from caseferry_grand_challenge.sandbox.cases import LONGEST_TITLE, apply, changes_of
from caseferry_grand_challenge.sandbox.forms import MISSING, FieldError, Form, named, normal_uuid
from caseferry_grand_challenge.sandbox.pages import page
from caseferry_grand_challenge.sandbox.refusals import RefusedError, denied, invalid, invalid_uuid

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Record

ANSWERED = "This display set cannot be changed, as answers for it already exist."


async def studies(call: Call) -> web.Response:
    """The reader studies that who asks may view."""
    return page(call, call.viewable("studies"), lambda row: shapes.study(call.world, row))


async def study(call: Call) -> web.Response:
    """One reader study."""
    return answer(shapes.study(call.world, call.found_in("studies", "ReaderStudy", call.world.may_view)))


async def nothing(call: Call) -> web.Response:
    """Questions and answers: a sandbox has none."""
    return page(call, [], lambda row: row)


async def display_sets(call: Call) -> web.Response:
    """The display sets that who asks may view, by order."""
    world, wanted = call.world, _wanted_study(call)
    rows = [
        row
        for row in world.table("sets").values()
        if wanted in {None, row["study"]} and world.may_view_case(call.user, row)
    ]
    rows.sort(key=lambda row: (int(row["order"]), int(row["number"])))
    return page(call, rows, lambda row: shapes.display_set(world, row))


async def display_set(call: Call) -> web.Response:
    """One display set."""
    return answer(shapes.display_set(call.world, _found(call)))


async def create(call: Call) -> web.Response:
    """A new display set, without values."""
    form = Form(await call.body())
    title = form.text("title", LONGEST_TITLE)
    order = form.read("order", _order, required=False)
    row_of_study = _study(call, form)
    changes = changes_of(call, form)
    form.done()
    if changes:
        raise RefusedError(400, ["Values can only be added via update"])
    world = call.world
    row: Record = {
        "pk": world.uuid(),
        "kind": "set",
        "number": world.number(),
        "title": "" if title is MISSING else title,
        "study": row_of_study["pk"],
        "home": row_of_study["pk"],
        "order": _next_order(call, row_of_study) if order in {MISSING, 0} else order,
        "answered": False,
        "values": {},
    }
    world.table("sets")[row["pk"]] = row
    row_of_study["sets"].append(row["pk"])
    return answer(shapes.posted_display_set(world, row), 201)


async def merge(call: Call) -> web.Response:
    """Set or replace some values of a display set (PATCH)."""
    return await _change(call, replace=False)


async def replace(call: Call) -> web.Response:
    """Set the values of a display set and take the others off (PUT)."""
    return await _change(call, replace=True)


async def _change(call: Call, *, replace: bool) -> web.Response:
    world, row = call.world, _found(call)
    if not world.may_change(call.user, world.place(row)):
        raise denied()
    form = Form(await call.body(), partial=not replace)
    title = form.text("title", LONGEST_TITLE)
    order = form.read("order", _order, required=False)
    changes = changes_of(call, form)
    form.done()
    if row["answered"]:
        raise RefusedError(400, [ANSWERED])
    apply(call, row, changes, replace=replace)
    if title is not MISSING:
        row["title"] = title
    if order is not MISSING:
        row["order"] = order or _next_order(call, world.table("studies")[row["study"]])
    return answer(shapes.posted_display_set(world, row))


def _found(call: Call) -> Record:
    return call.found_in("sets", "DisplaySet", call.world.may_view_case)


def _study(call: Call, form: Form) -> Record:
    def find(slug: str) -> Record | None:
        for row in call.world.table("studies").values():
            if row["slug"] == slug and call.world.may_change(call.user, row):
                found: Record = row
                return found
        return None

    read: Record = form.read("reader_study", lambda value: named(value, find))
    return read


def _order(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldError("A valid integer is required.")
    if value < 0:
        raise FieldError("Ensure this value is greater than or equal to 0.")
    return value


def _next_order(call: Call, study: Record) -> int:
    """The next multiple of ten above every order of the study."""
    highest = max((call.world.table("sets")[pk]["order"] for pk in study["sets"]), default=0)
    return int(highest + 10) // 10 * 10


def _wanted_study(call: Call) -> str | None:
    text = call.request.query.get("reader_study")
    if not text:
        return None
    pk = normal_uuid(text)
    if pk is None:
        raise invalid(reader_study=[invalid_uuid(text)])
    if pk not in call.world.table("studies"):
        raise invalid(reader_study=["Select a valid choice. That choice is not one of the available choices."])
    return pk
