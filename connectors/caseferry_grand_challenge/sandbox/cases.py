"""What archive items and display sets have in common: values are changed and replaced in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry_grand_challenge.sandbox.refusals import RefusedError
from caseferry_grand_challenge.sandbox.values import Change, Source, read_values
from caseferry_grand_challenge.sandbox.work import start_dicom, start_file, start_import
from caseferry_grand_challenge.sandbox.world import reference

if TYPE_CHECKING:
    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Form, Record

LONGEST_TITLE = 255


def changes_of(call: Call, form: Form) -> list[Change]:
    """The changes that a body's `values` ask for; what is wrong with them joins the form's problems."""
    user = call.someone()
    found = form.read(
        "values",
        lambda entries: read_values(call.world, user, entries, partial=form.partial),
        required=False,
    )
    return found if isinstance(found, list) else []


def apply(call: Call, case: Record, changes: list[Change], *, replace: bool) -> None:
    """Change a case: JSON values and images that are there at once, everything uploaded later.

    What can be refused is refused before anything is changed.

    Parameters
    ----------
    replace : whether sockets that no change names lose their value

    Raises
    ------
    RefusedError
        The archive takes no value of one of the sockets: 400.
    """
    world = call.world
    _check_allowed(world.place(case), changes)
    at_once = {
        Source.VALUE: lambda change: world.shared_value(change.socket, value=change.content),
        Source.IMAGE: lambda change: world.shared_value(change.socket, image=change.content),
    }
    values = [at_once[change.source](change) for change in changes if change.source in at_once]
    for value in values:
        world.hold(case, value)
    for change in changes:
        if change.source not in at_once:
            _start(call, case, change)
    if replace:
        kept = {change.socket for change in changes}
        for slug in [slug for slug in case["values"] if slug not in kept]:
            world.release(case, slug)
    world.touch(case)


def _check_allowed(place: Record, changes: list[Change]) -> None:
    """Refuse sockets that an archive does not take, as those of a challenge's phase do not take every socket."""
    for change in changes:
        if place.get("sockets") is not None and change.socket not in place["sockets"]:
            raise RefusedError(400, [f"Socket {change.socket!r} is not allowed for this archive."])


def _start(call: Call, case: Record, change: Change) -> None:
    target = {"case": reference(case), "socket": change.socket}
    if change.source is Source.UPLOAD:
        start_file(call, target, change.content)
    elif change.source is Source.DICOM:
        start_dicom(call, target, change.content, change.image_name)
    elif change.source is Source.SESSION:
        start_import(call, call.world.table("sessions")[change.content], target)
    else:
        session = call.world.new_session(call.someone().pk, change.content)
        start_import(call, session, target)
