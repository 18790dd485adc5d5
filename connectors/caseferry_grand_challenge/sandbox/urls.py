"""Which address is answered by what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_grand_challenge.sandbox import archives, images, items, media, readers, sessions, sockets, uploads
from caseferry_grand_challenge.sandbox.calls import Endpoint
from caseferry_grand_challenge.sandbox.forms import PATHS

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.world import World


async def versions(call: Call) -> web.Response:
    """Which versions of the official client the platform works with."""
    return answer(dict(call.world.table("versions")))


async def root(call: Call) -> web.Response:
    """Where the lists are."""
    call.someone()
    return answer({path.strip("/"): f"{call.world.api}{path}" for path in PATHS.values()})


ENDPOINTS = (
    Endpoint("", {"GET": root}),
    Endpoint("gcapi/", {"GET": versions}),
    Endpoint("archives/items/", {"GET": items.items, "POST": items.create}),
    Endpoint("archives/items/{pk}/", {"GET": items.item, "PUT": items.replace, "PATCH": items.merge}),
    Endpoint("archives/", {"GET": archives.archives}, table=True),
    Endpoint("archives/{pk}/", {"GET": archives.archive}),
    Endpoint("archives/{pk}/patients/", {"GET": archives.patients}),
    Endpoint("archives/{pk}/studies/", {"GET": archives.studies}),
    Endpoint("cases/images/", {"GET": images.images}, table=True),
    Endpoint("cases/images/{pk}/", {"GET": images.image}),
    Endpoint("cases/images/{pk}/dicom/instances/", {"GET": images.instances}),
    Endpoint("cases/upload-sessions/", {"GET": sessions.sessions, "POST": sessions.create}),
    Endpoint("cases/upload-sessions/{pk}/", {"GET": sessions.session}),
    Endpoint("components/interfaces/", {"GET": sockets.sockets}),
    Endpoint("components/interfaces/{pk}/", {"GET": sockets.socket}),
    Endpoint("reader-studies/", {"GET": readers.studies}, table=True),
    Endpoint("reader-studies/display-sets/", {"GET": readers.display_sets, "POST": readers.create}, delete=405),
    Endpoint(
        "reader-studies/display-sets/{pk}/",
        {"GET": readers.display_set, "PUT": readers.replace, "PATCH": readers.merge},
        delete=405,
    ),
    Endpoint("reader-studies/questions/", {"GET": readers.nothing}),
    Endpoint("reader-studies/answers/", {"GET": readers.nothing}),
    Endpoint("reader-studies/answers/mine/", {"GET": readers.nothing}),
    Endpoint("reader-studies/{pk}/", {"GET": readers.study}),
    Endpoint("uploads/", {"GET": uploads.uploads, "POST": uploads.create}),
    Endpoint("uploads/{pk}/", {"GET": uploads.upload}),
    Endpoint("uploads/{pk}/{upload_id}/generate-presigned-urls/", {"PATCH": uploads.presign}),
    Endpoint("uploads/{pk}/{upload_id}/complete-multipart-upload/", {"PATCH": uploads.complete}),
    Endpoint("uploads/{pk}/{upload_id}/abort-multipart-upload/", {"PATCH": uploads.abort}),
    Endpoint("uploads/{pk}/{upload_id}/list-parts/", {"GET": uploads.list_parts}),
)


def routes(world: World) -> list[web.RouteDef]:
    """All routes of the platform."""
    api = [route for endpoint in ENDPOINTS for route in endpoint.routes(world)]
    return [*api, media.route(world)]
