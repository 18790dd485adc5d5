"""Files: asked for at the site, fetched from the object store by a signed URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

from caseferry_grand_challenge.sandbox.accounts import authenticate
from caseferry_grand_challenge.sandbox.forms import normal_uuid
from caseferry_grand_challenge.sandbox.refusals import RefusedError
from caseferry_grand_challenge.sandbox.world import MEDIA, PROTECTED

if TYPE_CHECKING:
    from caseferry_grand_challenge.sandbox.accounts import User
    from caseferry_grand_challenge.sandbox.world import World

URL_SECONDS = 300.0

IMAGE = re.compile(r"images/[0-9a-f]{2}/[0-9a-f]{2}/([0-9a-f-]{36})/.+")
VALUE = re.compile(r"components/componentinterfacevalue/[0-9a-f]{2}/[0-9a-f]{2}/(\d+)/.+")


def route(world: World) -> web.RouteDef:
    """The route of all files."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return _redirect(world, request)
        except RefusedError as error:
            return error.response()

    return web.get(f"{MEDIA}{{key:.+}}", handle)


def _redirect(world: World, request: web.Request) -> web.Response:
    key = request.match_info["key"]
    _check_rights(world, _user(request), key)
    if f"{PROTECTED}{key}" not in world.host.store.objects:
        raise _page(404)
    target = world.host.store.sign("GET", f"{PROTECTED}{key}", URL_SECONDS)
    return web.Response(status=302, headers={"Location": target, "Content-Type": "text/html; charset=utf-8"})


def _user(request: web.Request) -> User | None:
    """Who asks. A token that names nobody counts as none here, and is not refused as such."""
    try:
        return authenticate(request.headers.get("Authorization"))
    except RefusedError:
        return None


def _check_rights(world: World, user: User | None, key: str) -> None:
    """Refuse who may not have a file: an image's with 403, a value's as if it were not there."""
    if found := IMAGE.fullmatch(key):
        image = world.table("images").get(normal_uuid(found[1]) or "")
        if image is None:
            raise _page(404)
        if not world.may_view_held(user, image):
            raise _page(403)
    elif found := VALUE.fullmatch(key):
        value = world.table("values").get(found[1])
        if value is None or not world.may_view_held(user, value):
            raise _page(404)
    else:
        raise _page(404)


def _page(status: int) -> RefusedError:
    return RefusedError(status, {403: "403 Forbidden", 404: "404 Not Found"}[status], html=True)
