"""A plan tells the truth: its calls, compared with what the sandbox's ledger holds after the case was put.

Works for every platform. A test declares the lookups that its connector makes beside the plan, each with its reason;
any other request that the plan does not list, and any listed call that was not made, fails.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.case import Case
    from caseferry.connector import Dataset, Item
    from caseferry.plan import Call, Part, Plan
    from caseferry.sandbox import Sandbox
    from caseferry.sandbox.ledger import Entry


@dataclass(frozen=True, slots=True)
class Lookup:
    """A request that reads and that no plan lists.

    Attributes
    ----------
    method, path : as in the ledger; the path is a regular expression for the whole of it
    query : names of which at least one must be asked for; none for any
    why : why it is made, for whoever reads the test
    around : whether it counts only before the first call of a plan and after the last; for what calls of a plan ask too
    """

    method: str
    path: str
    query: tuple[str, ...] = ()
    why: str = ""
    around: bool = False

    def matches(self, entry: Entry) -> bool:
        """Whether the request is such a lookup."""
        asked = {name for name, _ in entry.query}
        return (
            entry.method == self.method
            and re.fullmatch(self.path, entry.path) is not None
            and (not self.query or bool(asked & set(self.query)))
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it can be compared: what was planned in the same form as what arrived."""

    origin: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: str

    def __str__(self) -> str:
        query = "?" + "&".join(f"{name}={value}" for name, value in self.query) if self.query else ""
        return f"{self.origin} {self.method} {self.path}{query} {self.body}"


@dataclass(frozen=True, slots=True)
class Sent:
    """What putting a case has done: the plan that was followed, and every request from first to last."""

    item: Item
    plan: Plan
    entries: list[Entry]


def put_and_compare(
    sandbox: Sandbox, dataset: Dataset, case: Case, lookups: Sequence[Lookup], *, base: str = "/api/", **options: Any
) -> Sent:
    """Plan a case, put it, and demand that plan and ledger say the same, call for call.

    Parameters
    ----------
    lookups : what the connector asks beside the plan
    base : the path under which the platform's interface lies
    options : for both `plan` and `put`

    Returns
    -------
    What was sent, for further checks.
    """
    planned = dataset.plan(case, **options)
    shown = json.dumps(planned.to_json(), sort_keys=True)
    planned.release()
    start = len(sandbox.ledger)
    plans: list[Plan] = []
    done: list[Entry] = []
    send = dataset.execute

    def execute(plan: Plan) -> Any:
        execution = send(plan)
        done[:] = _entries(sandbox, dataset, start)
        compare(plan, execution.bindings, done, lookups, base)
        plans.append(plan)
        return execution

    dataset.execute = execute  # type: ignore[method-assign]
    try:
        item = dataset.put(case, **options)
    finally:
        del dataset.execute
    assert len(plans) == 1, f"the case was put in {len(plans)} attempts"
    assert json.dumps(plans[0].to_json(), sort_keys=True) == shown, "put follows another plan than plan() shows"
    entries = _entries(sandbox, dataset, start)
    _refuse_others(entries[len(done) :], lookups)
    return Sent(item, plans[0], entries)


def compare(
    plan: Plan, bindings: dict[str, Any], entries: Sequence[Entry], lookups: Sequence[Lookup], base: str
) -> None:
    """Demand that each call of a plan is in the ledger once, in an order that the plan allows, and nothing else is.

    Calls to an object store are not the sandbox's to know; a test that has some looks at the store itself.

    Parameters
    ----------
    bindings : what the calls gave, which takes the place of the plan's placeholders
    """
    start = next(
        (n for n, entry in enumerate(entries) if not any(each.matches(entry) for each in lookups)), len(entries)
    )
    within = [each for each in lookups if not each.around]
    left = [entry for entry in entries[start:] if not any(each.matches(entry) for each in within)]
    calls = [call for call in plan.calls if not call.target.startswith("s3://")]
    watched = [planned_request(watch.filled(bindings), base) for call in calls for watch in call.watch]
    found: dict[str, tuple[int, int]] = {}
    for call in calls:
        wanted = planned_request(call.filled(bindings), base)
        places = [n for n, entry in enumerate(left) if arrived_request(entry) == wanted]
        nearest = "\n  ".join(str(arrived_request(entry)) for entry in left)
        assert places, f"call {call.name!r} was not made as planned:\n  {wanted}\nwhat was asked:\n  {nearest}"
        assert len(places) == 1 or call.until is not None, (
            f"call {call.name!r} was made {len(places)} times:\n  {wanted}"
        )
        first = places[-1 if wanted in watched else 0]  # the same may have been asked on the way, too
        found[call.name] = (left[first].sequence, left[places[-1]].sequence)
        for place in reversed(places):
            del left[place]
    _refuse_others([entry for entry in left if arrived_request(entry) not in watched], within)
    givers = {name: call.name for call in calls for name in call.gives}
    for call in calls:
        for need in {*call.after, *(givers[name] for name in call.takes if name in givers)} & found.keys():
            assert found[need][1] < found[call.name][0], f"call {call.name!r} was made before {need!r}"


def planned_request(call: Call, base: str) -> Request:
    """What a call of a plan asks, its places being filled."""
    parts = urlsplit(call.target)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *call.query]
    outside = bool(parts.scheme)
    path = unquote(parts.path if outside else f"{base}{parts.path}")
    origin = "store" if outside and not path.startswith(base) else "api"
    return Request(origin, call.method, path, tuple(sorted(query)), _planned_body(call))


def arrived_request(entry: Entry) -> Request:
    """What the ledger holds of a request."""
    body = entry.body or {}
    if "form" in body:
        shown = _text([{**part, "content_type": None, **_folded(part)} for part in body["form"]])
    elif "json" in body:
        shown = _text(body["json"])
    else:
        shown = _text([body["bytes"], body["sha256"]]) if "bytes" in body else ""
    return Request(entry.origin, entry.method, unquote(entry.path), tuple(sorted(entry.query)), shown)


def _planned_body(call: Call) -> str:
    if call.form or any(part.field for part in call.files):
        form = [
            {"name": name, "filename": None, "content_type": None, "size": len(text), "value": text.decode()}
            for name, value in call.form
            for text in [(value if isinstance(value, str) else json.dumps(value)).encode()]
        ]
        for part in call.files:
            count, digest = _measured(part)
            name = part.name or part.ref.name
            form.append({"name": part.field, "filename": name, "content_type": None, "size": count, "sha256": digest})
        return _text([{**part, **_folded(part)} for part in form])
    if call.files and call.body is None:
        return _text(list(_measured(call.files[0])))
    return "" if call.body is None else _text(call.body)


def _folded(part: dict[str, Any]) -> dict[str, Any]:
    """A text part that holds JSON is compared by what it means."""
    try:
        return {"value": json.loads(part["value"]), "size": None}
    except (KeyError, TypeError, ValueError):
        return {}


def _text(body: Any) -> str:
    return json.dumps(body, sort_keys=True, ensure_ascii=False)


def _measured(part: Part) -> tuple[int, str]:
    digest, count = hashlib.sha256(), 0
    with part.ref.open() as stream:
        skipped = 0
        while skipped < part.offset:
            skipped += len(stream.read(min(1 << 20, part.offset - skipped)))
        left = part.length
        while chunk := stream.read(1 << 20 if left is None else min(1 << 20, left)):
            digest.update(chunk)
            count += len(chunk)
            left = None if left is None else left - len(chunk)
    return count, digest.hexdigest()


def _entries(sandbox: Sandbox, dataset: Dataset, start: int) -> list[Entry]:
    return [entry for entry in list(sandbox.ledger)[start:] if entry.platform == dataset.platform]


def _refuse_others(entries: Sequence[Entry], lookups: Sequence[Lookup]) -> None:
    others = [str(arrived_request(e)) for e in entries if not any(each.matches(e) for each in lookups)]
    assert not others, "not in the plan, and no declared lookup:\n  " + "\n  ".join(others)
