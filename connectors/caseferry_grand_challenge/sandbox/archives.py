"""Archives: read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_grand_challenge.sandbox import shapes
from caseferry_grand_challenge.sandbox.images import held_images
from caseferry_grand_challenge.sandbox.pages import page

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Record


async def archives(call: Call) -> web.Response:
    """The archives that who asks may view."""
    return page(call, call.viewable("archives"), lambda row: shapes.archive(call.world, row))


async def archive(call: Call) -> web.Response:
    """One archive."""
    return answer(shapes.archive(call.world, _found(call)))


async def patients(call: Call) -> web.Response:
    """The patients whose images lie in an archive, as far as the images say."""
    return answer(_distinct(call, "patient_id"))


async def studies(call: Call) -> web.Response:
    """The studies whose images lie in an archive, of one patient when the query names one."""
    return answer(_distinct(call, "study_description", patient=call.request.query.get("patient_id")))


def _found(call: Call) -> Record:
    return call.found_in("archives", "Archive", call.world.may_view)


def _distinct(call: Call, key: str, patient: str | None = None) -> list[str]:
    shown = (row["shown"] for row in held_images(call.world, "item", _found(call)["pk"]))
    return sorted({one[key] for one in shown if one[key] and patient in {None, one["patient_id"]}})
