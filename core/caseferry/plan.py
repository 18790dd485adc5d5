"""What a platform is asked, before it is asked.

A plan is a list of calls in an order that works. What one call gives (an id, a signed URL) others take, by name:
``{item}`` in a target, `Given` in a body. Sending a plan is nothing but sending its calls, each as soon as what it
takes is there; so what a plan lists is what is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from caseferry.files import FileRef, release
from caseferry.held import Held, Loss, Tally

if TYPE_CHECKING:
    from caseferry.mapping.unmapped import Missing
    from caseferry.plain import Json
    from caseferry.removal.removed import Removed

_TAKEN = re.compile(r"\{([^{}]+)\}")


class Repeat(StrEnum):
    """What happens when a call is made twice, because nobody knows whether the first one arrived."""

    HARMLESS = "harmless"
    """The same as once: reading, replacing, deleting."""

    DETECTABLE = "detectable"
    """A second thing comes into being or an error comes back; looking first tells which."""


@dataclass(frozen=True, slots=True)
class Given:
    """A place in a body, a key or a value, that takes what an earlier call gives."""

    name: str

    def __str__(self) -> str:
        return f"{{{self.name}}}"


@dataclass(frozen=True, slots=True)
class Part:
    """A file that a call sends, or a piece of one.

    Attributes
    ----------
    ref : the file
    offset, length : the piece; all of it when `length` is None
    field : the name of the part in a multipart form; empty when the file is the whole body
    name : the file name given to the platform
    media_type : likewise
    """

    ref: FileRef
    offset: int = 0
    length: int | None = None
    field: str = ""
    name: str = ""
    media_type: str = "application/octet-stream"

    @property
    def size(self) -> int | None:
        """Bytes that are sent, when that is known without making the file."""
        return self.length if self.length is not None else self.ref.size

    def to_json(self) -> dict[str, Json]:
        """Plain data for a plan that is looked at."""
        document: dict[str, Json] = {"name": self.name or self.ref.name, "media_type": self.media_type}
        if self.size is not None:
            document["size"] = self.size
        if self.offset:
            document["offset"] = self.offset
        if self.field:
            document["field"] = self.field
        return document


@dataclass(frozen=True, slots=True)
class Reply:
    """What a platform answered to a call, as far as anybody needs it.

    Attributes
    ----------
    sent : bytes of files that went out with the call
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int = 0


@dataclass(frozen=True, kw_only=True)
class Call:
    """One thing that a platform is asked.

    Attributes
    ----------
    name : its own name within the plan
    method, target : as on the wire; the target is relative to the platform's base address unless it takes a signed
        URL; it may hold ``{names}`` of what other calls give
    query : further parts of the address
    body : JSON, possibly with `Given` in it
    form : text parts of a multipart body, in order: name and text
    files : what is streamed: the one file that is the body, or the file parts of a form
    gives : names of what its reply gives
    read : finds what it gives in the reply; may raise when the reply says that the call failed
    after : names of calls that must be done before, beyond those whose results it takes
    repeat : whether it may be made again without looking
    until : for a call that is made again and again: whether this reply is the last
    watch : calls that are made before each repetition; their own `until` says whether it is worth making, and raises
        when there is nothing to wait for
    purpose : why it is made, for people
    irreversible : what it does that nobody can undo, for people; empty when that is nothing
    """

    name: str
    method: str
    target: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    form: tuple[tuple[str, Any], ...] = ()
    files: tuple[Part, ...] = ()
    gives: tuple[str, ...] = ()
    read: Callable[[Reply], Mapping[str, Any]] | None = field(default=None, repr=False, compare=False)
    after: tuple[str, ...] = ()
    repeat: Repeat = Repeat.HARMLESS
    until: Callable[[Reply], bool] | None = field(default=None, repr=False, compare=False)
    watch: tuple[Call, ...] = ()
    purpose: str = ""
    irreversible: str = ""

    @property
    def takes(self) -> frozenset[str]:
        """Names of what it needs from other calls."""
        found = set(_TAKEN.findall(self.target))
        found |= set(_given(self.body)) | set(_given([value for _, value in self.form]))
        return frozenset(found).union(*(call.takes for call in self.watch))

    @property
    def size(self) -> int:
        """Bytes of files that it sends, as far as known beforehand."""
        return sum(part.size or 0 for part in self.files)

    def filled(self, bindings: Mapping[str, Any]) -> Call:
        """The same call with what it takes put in its places.

        Raises
        ------
        KeyError
            Something that it takes is not there.
        """
        from dataclasses import replace

        target = _TAKEN.sub(lambda match: str(bindings[match[1]]), self.target)
        form = tuple((name, _filled(value, bindings)) for name, value in self.form)
        return replace(self, target=target, body=_filled(self.body, bindings), form=form)

    def to_json(self) -> dict[str, Json]:
        """Plain data for a plan that is looked at; what it takes is shown as ``{name}``."""
        document: dict[str, Json] = {"method": self.method, "target": self.target}
        if self.query:
            document["query"] = [[name, value] for name, value in self.query]
        if self.body is not None:
            document["body"] = _shown(self.body)
        if self.form:
            document["form"] = [[name, _shown(value)] for name, value in self.form]
        if self.files:
            document["files"] = [part.to_json() for part in self.files]
        if self.until is not None:
            document["repeated"] = True
        if self.watch:
            document["watch"] = [call.to_json() for call in self.watch]
        if self.purpose:
            document["purpose"] = self.purpose
        if self.irreversible:
            document["irreversible"] = self.irreversible
        return document


def _given(value: Any) -> Iterable[str]:
    if isinstance(value, Given):
        yield value.name
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _given(key)
            yield from _given(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _given(item)


def _filled(value: Any, bindings: Mapping[str, Any]) -> Any:
    if isinstance(value, Given):
        return bindings[value.name]
    if isinstance(value, Mapping):
        return {_filled(key, bindings): _filled(item, bindings) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, bindings) for item in value]
    return value


def _shown(value: Any) -> Any:
    if isinstance(value, Given):
        return str(value)
    if isinstance(value, Mapping):
        return {_shown(key): _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return value


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The calls for one case on one dataset and what becomes of its parts, made without changing anything there.

    Attributes
    ----------
    dataset : its URL
    case_id : which case
    calls : in an order that works
    held : what becomes of each part of the case
    missing : names that its labels need and the platform does not have; see `caseferry.mapping.unmapped`
    removed : what is taken out of the files on their way, for each part of the case that is changed by it
    adopts : the id of an item that is there already and is completed, or is complete; None for a new one
    bindings : what is known before the first call
    """

    dataset: str
    case_id: str
    calls: tuple[Call, ...] = ()
    held: tuple[Held, ...] = ()
    missing: tuple[Missing, ...] = ()
    removed: tuple[Removed, ...] = ()
    adopts: str | None = None
    bindings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known, names = set(self.bindings), set[str]()
        for call in self.calls:
            missing = (call.takes - known) | (set(call.after) - names)
            if missing or call.name in names:
                msg = f"call {call.name!r} takes {sorted(missing)}, which no call before it gives, or is there twice"
                raise AssertionError(msg)
            known |= set(call.gives)
            names.add(call.name)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the platform cannot hold as it is."""
        return tuple(each for each in self.held if isinstance(each, Loss))

    @property
    def bytes(self) -> int:
        """Bytes of files that are sent, as far as known beforehand."""
        return sum(call.size for call in self.calls)

    @property
    def irreversible(self) -> tuple[str, ...]:
        """What it does that nobody can undo."""
        return tuple(dict.fromkeys(call.irreversible for call in self.calls if call.irreversible))

    def release(self) -> None:
        """Remove temporary files that were made for it."""
        for call in self.calls:
            for part in call.files:
                release(part.ref)

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {
            "dataset": self.dataset,
            "case": self.case_id,
            "adopts": self.adopts,
            "calls": [call.to_json() for call in self.calls],
            "held": Tally.of(self.held).to_json(),
            "losses": [loss.to_json() for loss in self.losses],
            "removed": [each.to_json() for each in self.removed],
            "bytes": self.bytes,
            "irreversible": list(self.irreversible),
        }

    def __str__(self) -> str:
        from caseferry.text import columns, size

        more = (
            " and files of unknown size" if any(part.size is None for call in self.calls for part in call.files) else ""
        )
        head = f"{self.case_id} -> {self.dataset}: {len(self.calls)} calls, {size(self.bytes)}{more}"
        if self.adopts:
            head += f", completing {self.adopts}" if self.calls else f", already there as {self.adopts}"
        lines = [head]
        lines += [f"  {line}" for line in _grouped(self.calls)]
        lines += [f"  {line}" for line in Tally.of(self.held).table(columns() - 2).splitlines()] if self.held else []
        lines += [f"  removed from {each}" for each in self.removed]
        lines += [f"  cannot be undone: {text}" for text in self.irreversible]
        return "\n".join(lines)


def _shape(call: Call) -> tuple[str, str, str]:
    """What alike calls have in common: the last part of the address is left out where it names one of many."""
    target = _TAKEN.sub("{…}", call.target)
    return call.method, f"{target.rpartition('/')[0]}/*" if call.files else target, call.purpose


def _grouped(calls: Sequence[Call]) -> Iterable[str]:
    """The calls a line each, runs of alike ones as one line."""
    index = 0
    while index < len(calls):
        call, run = calls[index], 1
        shape = _shape(call)
        while index + run < len(calls):
            following = calls[index + run]
            if _shape(following) != shape:
                break
            run += 1
        times = f"  x{run}" if run > 1 else ""
        purpose = f"  ({call.purpose})" if call.purpose else ""
        yield f"{call.method:<6} {call.target if run == 1 else shape[1]}{times}{purpose}"
        index += run
