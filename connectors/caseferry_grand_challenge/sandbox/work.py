"""What the server does after it has answered: imports, copies of files, image sets, tiles.

Every piece of work is plain JSON in the state's queue until it is done, so a sandbox that is stopped half way
goes on when it is started again. Each piece waits for the processing delay; an image takes two, one until it is
imported and one until it is attached.

A ``fail-later`` fault on the request that starts a piece of work makes that one piece fail:

``PATCH */archives/items/* fail-later x1``           the next upload session fails and keeps its uploads; the
                                                     next file, or DICOM image set, never lands, silently
``POST */upload-sessions/ fail-later=attach x1``     the import succeeds, then the session turns to Failed
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from caseferry_grand_challenge.sandbox.files import Content, check_content, store_content
from caseferry_grand_challenge.sandbox.imagerows import NOTHING_SHOWN, add_file, new_image
from caseferry_grand_challenge.sandbox.imagesets import read_image_set
from caseferry_grand_challenge.sandbox.importing import DuplicateFilesError, Made, import_uploads
from caseferry_grand_challenge.sandbox.uploads import consume
from caseferry_grand_challenge.sandbox.values import socket_complaint, value_complaint
from caseferry_grand_challenge.sandbox.world import PROTECTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Record
    from caseferry_grand_challenge.sandbox.world import World

log = logging.getLogger(__name__)

UNEXPECTED = "An unexpected error occurred"
ATTACH = "attach"
GENERIC = "generic-medical-image"


def start_import(call: Call, session: Record, target: Record) -> None:
    """Turn a session's uploads into images, and those into values of the target."""
    session["status"] = "Re-Queued"
    _enqueue(call.world, "import", {"session": session["pk"], "fault": _fault(call), **target})


def start_file(call: Call, target: Record, upload: str) -> None:
    """Copy an upload to a file of a case."""
    _enqueue(call.world, "file", {"upload": upload, "fault": _fault(call), **target})


def start_dicom(call: Call, target: Record, uploads: list[str], name: str) -> None:
    """Turn uploads into a DICOM image set of a case."""
    _enqueue(call.world, "dicom", {"uploads": uploads, "name": name, "fault": _fault(call), **target})


def resume(world: World) -> None:
    """Go on with what was under way when the sandbox was stopped."""
    for pk in list(world.table("queue")):
        _schedule(world, pk)


def running_post_processing(world: World, creator: int) -> int:
    """How many images of an account are still being cut into tiles."""
    jobs = world.table("queue").values()
    return sum(job["work"] == "tiles" and job["creator"] == creator for job in jobs)


def _fault(call: Call) -> str | None:
    fault = call.world.host.fails_later(call.request.method, call.request.path)
    return None if fault is None else fault.argument or "import"


def _enqueue(world: World, work: str, job: Record) -> None:
    pk = str(world.number())
    world.table("queue")[pk] = {**job, "work": work}
    _schedule(world, pk)


def _schedule(world: World, pk: str) -> None:
    async def run() -> None:
        job = world.table("queue")[pk]
        try:
            await WORK[job["work"]](world, job)
        except Exception:
            log.exception("a sandbox broke in its work %r", job["work"])
        del world.table("queue")[pk]

    world.host.later(run)


async def _import(world: World, job: Record) -> None:
    session = world.table("sessions")[job["session"]]
    count = len(session["uploads"])
    if job["fault"] not in {None, ATTACH}:
        _fail(world, job, _not_imported(count))
        return
    sources = [_completed(world, pk) for pk in session["uploads"]]
    try:
        async with world.conversions:
            outcome = await asyncio.to_thread(import_uploads, world.host.blobs, _all(sources))
    except DuplicateFilesError:
        _fail(world, job, "Duplicate files uploaded")
        return
    except Exception:
        # Whatever breaks the importer, the server only says this.
        log.debug("import of %s broke", job["session"], exc_info=True)
        _fail(world, job, UNEXPECTED)
        return
    problem = _not_imported(outcome.refused) if outcome.refused else ""
    if not outcome.images:
        _fail(world, job, problem)
        return
    session["images"] = [_add_image(world, made, session)["pk"] for made in outcome.images]
    session["status"], session["error_message"] = "Succeeded", problem
    for pk in session["uploads"]:
        consume(world, pk)
    session["uploads"] = []
    _enqueue(world, "attach", job)


async def _attach(world: World, job: Record) -> None:
    """Give imported images to what they are for. The import has succeeded; this may still fail it."""
    session = world.table("sessions")[job["session"]]
    images = [world.table("images")[pk] for pk in session["images"]]
    socket = world.table("sockets")[job.get("socket") or GENERIC]
    if job["fault"] == ATTACH:
        _fail(world, job, UNEXPECTED)
    elif "case" in job and len(images) != 1:
        _fail(world, job, "Image imports should result in a single image")
    elif problem := next((text for one in images if (text := socket_complaint(world, socket, one))), None):
        _fail(world, job, problem)
    else:
        for image in images:
            case = world.case(job["case"]) if "case" in job else _new_item(world, job["archive"])
            world.hold(case, world.shared_value(socket["slug"], image=image["pk"]))


async def _file(world: World, job: Record) -> None:
    """Copy a file. Whatever is wrong with it is told to nobody."""
    source = _completed(world, job["upload"])
    if source is None or job["fault"] is not None:
        return
    socket = world.table("sockets")[job["socket"]]
    filename, content = source
    if not await asyncio.to_thread(
        check_content, socket["kind"], content, lambda value: value_complaint(socket, value)
    ):
        return
    blob, media_type = await asyncio.to_thread(store_content, world.host.blobs, content)
    value = world.new_value(job["socket"])
    number = f"{value['pk']:04x}"
    folder = f"components/componentinterfacevalue/{number[-4:-2]}/{number[-2:]}/{value['pk']}"
    value["file"] = f"{folder}/{_valid_name(filename)}"
    world.host.store.put(f"{PROTECTED}{value['file']}", blob, media_type)
    consume(world, job["upload"])
    world.hold(world.case(job["case"]), value)


async def _dicom(world: World, job: Record) -> None:
    """Make a DICOM image set. A set that is refused is told to nobody."""
    sources = [_completed(world, pk) for pk in job["uploads"]]
    if job["fault"] is not None or not all(sources):
        return
    instances = await asyncio.to_thread(read_image_set, world.host.blobs, _all(sources))
    if instances is None:
        return
    image = new_image(world, job["name"], None, dict(NOTHING_SHOWN))
    number = world.uuid().replace("-", "")
    keys = {uid: f"grand-challenge-dicom/{number}/{uid}" for uid in instances}
    for uid, blob in instances.items():
        world.host.store.put(keys[uid], blob, "application/dicom")
    image["dicom"] = {"id": number, "instances": keys}
    for pk in job["uploads"]:
        consume(world, pk)
    world.hold(world.case(job["case"]), world.shared_value(job["socket"], image=image["pk"]))


async def _tiles(world: World, job: Record) -> None:
    """Describe the tiles of a TIFF. The tiles themselves are not made: the API does not list them."""
    image = world.table("images")[job["image"]]
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" '
        f'Format="jpeg" Overlap="1" TileSize="254"><Size Width="{image["shown"]["width"]}" '
        f'Height="{image["shown"]["height"]}"/></Image>\n'
    )
    add_file(world, image, "DZI", world.host.blobs.add(text.encode()))


WORK: dict[str, Callable[[World, Record], Awaitable[None]]] = {
    "import": _import,
    "attach": _attach,
    "file": _file,
    "dicom": _dicom,
    "tiles": _tiles,
}


def _fail(world: World, job: Record, text: str) -> None:
    session = world.table("sessions")[job["session"]]
    if "case" in job and text:
        title = world.table("sockets")[job["socket"]]["title"]
        text = f"Image validation for socket {title} failed with error: {text}."
    session["status"], session["error_message"] = "Failed", text


def _not_imported(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'} could not be imported"


def _completed(world: World, pk: str) -> tuple[str, Content] | None:
    """The name and the bytes of an upload, or None when it was never completed."""
    row = world.table("uploads").get(pk)
    if row is None or row["status"] != "Completed":
        return None
    return row["filename"], Content([world.host.blobs.get(key) for key in row["parts"]])


def _all(sources: list[tuple[str, Content] | None]) -> list[tuple[str, Content]]:
    """Every source, where one that is missing breaks the whole import."""
    found = [source for source in sources if source is not None]
    if len(found) != len(sources):
        msg = "an upload was not completed"
        raise RuntimeError(msg)
    return found


def _new_item(world: World, archive: str) -> Record:
    return world.new_item(world.table("archives")[archive])


def _add_image(world: World, made: Made, session: Record) -> Record:
    image = new_image(world, made.name, session["pk"], made.shown)
    add_file(world, image, made.type, made.blob)
    if made.type == "TIFF":
        _enqueue(world, "tiles", {"image": image["pk"], "creator": session["creator"]})
    return image


def _valid_name(name: str) -> str:
    """A file name with what the server takes out of it taken out."""
    kept = "".join(c for c in name.strip().replace(" ", "_") if c.isalnum() or c in "-_.")
    return kept or "file"
