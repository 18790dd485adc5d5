"""Images: lists with their filters, one image, the instances of a DICOM image set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_grand_challenge.sandbox import shapes
from caseferry_grand_challenge.sandbox.forms import normal_uuid
from caseferry_grand_challenge.sandbox.pages import page
from caseferry_grand_challenge.sandbox.refusals import detail, invalid, invalid_uuid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from caseferry_grand_challenge.sandbox.accounts import User
    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Record
    from caseferry_grand_challenge.sandbox.world import World

Test = Callable[[dict[str, Any]], bool]

EXACT = (
    "name",
    "patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_age",
    "patient_sex",
    "study_date",
    "study_instance_uid",
    "series_instance_uid",
    "study_description",
    "series_description",
)
DICOM = "application/dicom"
EMPTY = ("patient_id", "study_description")


async def images(call: Call) -> web.Response:
    """The images that a case holds which who asks may view, by name."""
    tests = list(_filters(call))
    rows = [
        row
        for row in call.world.table("images").values()
        if call.world.may_view_held(call.user, row) and all(test(row) for test in tests)
    ]
    rows.sort(key=lambda row: str(row["name"]))
    return page(call, rows, lambda row: shapes.image(call.world, row))


async def image(call: Call) -> web.Response:
    """One image."""
    return answer(shapes.image(call.world, _found(call)))


async def instances(call: Call) -> web.Response:
    """The instances of a DICOM image set, each with the request that fetches it."""
    row = _found(call)
    if row["dicom"] is None:
        raise detail(404, "This image does not have a DICOM Image Set.")
    store = call.world.host.store
    requests = [
        {
            "sop_instance_uid": uid,
            "get_instance": {"method": "GET", "url": store.sign("GET", key), "headers": {"Accept": DICOM}},
        }
        for uid, key in row["dicom"]["instances"].items()
    ]
    return answer({"image_set_id": row["dicom"]["id"], "instances": requests})


def viewable(world: World, user: User | None) -> Callable[[str], Record | None]:
    """How to find an image that somebody may view."""

    def find(pk: str) -> Record | None:
        row: Record | None = world.table("images").get(pk)
        return row if row is not None and world.may_view_held(user, row) else None

    return find


def held_images(world: World, kind: str, place: str) -> Iterator[Record]:
    """The images that the cases of one archive or reader study hold."""
    within = "archive" if kind == "item" else "study"
    for row in world.table("images").values():
        cases = (world.case(reference) for reference in row["holders"])
        if any(case["kind"] == kind and case[within] == place for case in cases):
            yield row


def _found(call: Call) -> Record:
    return call.found("Image", viewable(call.world, call.user))


def _filters(call: Call) -> Iterator[Test]:
    query, world = call.request.query, call.world
    for name in EXACT:
        if query.get(name):
            yield _is(name, query[name])
    for name in EMPTY:
        if f"{name}__isempty" in query:
            yield _is_empty(name, wanted=query[f"{name}__isempty"].lower() in {"true", "1"})
    if query.get("origin"):
        yield _comes_from(query["origin"])
    for name, kind, table in (("archive", "item", "archives"), ("reader_study", "set", "studies")):
        places = [_chosen(world, table, name, text) for text in query.getall(name, []) if text]
        if places:
            yield _among({row["pk"] for place in places for row in held_images(world, kind, place)})
    if query.get("job_input") or query.get("job_output"):
        yield _among(set())


def _is(name: str, value: str) -> Test:
    return lambda row: _text(row, name) == value


def _is_empty(name: str, *, wanted: bool) -> Test:
    return lambda row: (not _text(row, name)) is wanted


def _comes_from(session: str) -> Test:
    return lambda row: bool(row["origin"] == session)


def _among(pks: set[str]) -> Test:
    return lambda row: row["pk"] in pks


def _text(row: Record, name: str) -> str:
    value = row["name"] if name == "name" else row["shown"][name]
    return "" if value is None else str(value)


def _chosen(world: World, table: str, name: str, text: str) -> str:
    pk = normal_uuid(text)
    if pk is None:
        raise invalid(**{name: [invalid_uuid(text)]})
    if pk not in world.table(table):
        raise invalid(**{name: [f"Select a valid choice. {text} is not one of the available choices."]})
    return pk
