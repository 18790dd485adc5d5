"""Archive items: one case each. They are made empty, and nothing deletes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_grand_challenge.sandbox import shapes
from caseferry_grand_challenge.sandbox.cases import LONGEST_TITLE, apply, changes_of
from caseferry_grand_challenge.sandbox.forms import MISSING, Form, linked, normal_uuid
from caseferry_grand_challenge.sandbox.pages import page
from caseferry_grand_challenge.sandbox.refusals import RefusedError, denied, invalid, invalid_uuid

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Record
    from caseferry_grand_challenge.sandbox.world import World

NOT_UNIQUE = "The fields title, archive must make a unique set."


async def items(call: Call) -> web.Response:
    """The items that who asks may view, in the order of the database: a changed one comes last."""
    world, wanted = call.world, _wanted_archive(call)
    rows = [
        row
        for row in world.table("items").values()
        if wanted in {None, row["archive"]} and world.may_view_case(call.user, row)
    ]
    return page(call, rows, lambda row: shapes.item(world, row))


async def item(call: Call) -> web.Response:
    """One item."""
    return answer(shapes.item(call.world, _found(call)))


async def create(call: Call) -> web.Response:
    """A new item, without values."""
    form = Form(await call.body())
    title = form.text("title", LONGEST_TITLE)
    archive = _archive(call, form)
    changes = changes_of(call, form)
    form.done()
    if changes:
        raise RefusedError(400, ["Values can only be added via update"])
    title = "" if title is MISSING else title
    _check_title(call.world, archive["pk"], title)
    return answer(shapes.posted_item(call.world, call.world.new_item(archive, title)), 201)


async def merge(call: Call) -> web.Response:
    """Set or replace some values of an item (PATCH)."""
    return await _change(call, replace=False)


async def replace(call: Call) -> web.Response:
    """Set the values of an item and take the others off (PUT)."""
    return await _change(call, replace=True)


async def _change(call: Call, *, replace: bool) -> web.Response:
    world, row = call.world, _found(call)
    if not world.may_change(call.user, world.place(row)):
        raise denied()
    form = Form(await call.body(), partial=not replace)
    title = form.text("title", LONGEST_TITLE)
    archive = _archive(call, form, required=False)
    changes = changes_of(call, form)
    form.done()
    place = row["archive"] if archive is MISSING else archive["pk"]
    title = row["title"] if title is MISSING else title
    _check_title(world, place, title, row["pk"])
    apply(call, row, changes, replace=replace)
    world.entitle(row, place, title)
    return answer(shapes.posted_item(world, row))


def _found(call: Call) -> Record:
    return call.found_in("items", "ArchiveItem", call.world.may_view_case)


def _archive(call: Call, form: Form, *, required: bool = True) -> Record:
    def find(pk: str) -> Record | None:
        row: Record | None = call.world.table("archives").get(pk)
        return row if row is not None and call.world.may_change(call.user, row) else None

    found: Record = form.read("archive", lambda value: linked(value, "archive", find), required=required)
    return found


def _wanted_archive(call: Call) -> str | None:
    text = call.request.query.get("archive")
    if not text:
        return None
    pk = normal_uuid(text)
    if pk is None:
        raise invalid(archive=[invalid_uuid(text)])
    if pk not in call.world.table("archives"):
        raise invalid(archive=["Select a valid choice. That choice is not one of the available choices."])
    return pk


def _check_title(world: World, archive: str, title: str, pk: str | None = None) -> None:
    if world.has_title(archive, title, pk):
        raise RefusedError(400, {"non_field_errors": [NOT_UNIQUE]})
