"""The verbs of a dataset, on a platform in memory that fails when it is told to."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

import caseferry as cf
from caseferry.capability import VERBS
from caseferry.connector import Spare
from caseferry.connector.execute import Patience
from caseferry.connector.settle import SETTLING
from caseferry.errors import Cancelled
from caseferry.files import made
from caseferry.mapping import Names
from caseferry.plan import Part, Repeat, Reply
from caseferry.sidecar import case_fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caseferry.case.revision import Revision


class Memory(cf.Dataset):
    """Cases in a dict. Each call of a plan first asks `trouble` whether to fail."""

    platform: ClassVar[str] = "memory"

    def __init__(self, verbs: frozenset[str] = frozenset(VERBS)) -> None:
        super().__init__("memory:x", names=Names(), patience=Patience(first=0.001, longest=0.002, total=0.05))
        self.capabilities = cf.Capabilities(verbs=verbs)
        self.limits = cf.Limits(in_flight=1)
        self.held: dict[str, cf.Case] = {}
        self.states: list[cf.State] = []
        self.looks = 0
        self.sent: list[str] = []
        self.trouble: list[Callable[[], None]] = []
        self.products: list[cf.FileRef] = []
        self.overflow: list[cf.FileRef] = []

    def items(self, **filters: Any) -> Iterator[cf.Item]:
        return (cf.Item(self, name, name) for name in self.held)

    def get(self, item_id: str) -> cf.Item:
        if item_id not in self.held:
            raise cf.NotFound("memory", f"get {item_id!r}")
        state = self.states.pop(0) if self.states else cf.State.READY
        return cf.Item(self, item_id, item_id, state=state, reason="no slices" if state is cf.State.FAILED else "")

    def read(self, item: cf.Item) -> cf.Case:
        return self.held[item.id]

    def _look(self, case: cf.Case) -> cf.Case | None:
        self.looks += 1
        return self.held.get(case.id)

    def _plan(
        self, case: cf.Case, standing: Any, *, allow_spare: bool, create: bool
    ) -> tuple[cf.Plan, list[cf.FileRef]]:
        if standing is not None:
            if case_fingerprint(standing) != case_fingerprint(case):
                raise cf.AlreadyExists("memory", f"put {case.id!r}", "another case of that name is there")
            return cf.Plan(dataset=self.url, case_id=case.id, adopts=case.id), self.overflow
        product = made(lambda out: out.write(b"made"), "made.bin")  # type: ignore[arg-type,return-value]
        self.products.append(product)
        call = cf.Call(
            name="create", method="POST", target="cases", body=case, files=(Part(product),), repeat=Repeat.DETECTABLE
        )
        return cf.Plan(dataset=self.url, case_id=case.id, calls=(call,)), self.overflow

    def _send(self, call: cf.Call) -> Reply:
        self.sent.append(call.name)
        call.files[0].ref.read()
        if self.trouble:
            self.trouble.pop(0)()
        self.held[call.body.id] = call.body
        return Reply(201, sent=4)

    def _put_item(self, case: cf.Case, plan: cf.Plan, given: dict[str, Any]) -> cf.Item:
        return cf.Item(self, case.id, case.id)

    def _annotating(self, item: cf.Item, revision: Revision) -> Callable[[], cf.Plan]:
        assert all(annotation.id for annotation in revision.written)

        def planned() -> cf.Plan:
            product = made(lambda out: out.write(b"made"), "made.bin")  # type: ignore[arg-type,return-value]
            self.products.append(product)
            case = revision.after
            call = cf.Call(name="annotate", method="PUT", target="cases", body=case, files=(Part(product),))
            return cf.Plan(dataset=self.url, case_id=case.id, calls=(call,), adopts=item.id)

        return planned

    def _delete(self, item: cf.Item) -> None:
        del self.held[item.id]


def fails(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


LOST = cf.TemporaryFailure("memory", "create", "the connection was cut")
CASE = cf.Case(id="a", annotations=[cf.Label(label="x")])


def released(dataset: Memory) -> bool:
    """Whether no temporary file of any plan is left."""
    return all(ref.opener.product._path is None for ref in dataset.products)  # type: ignore[union-attr]


def test_putting_twice_is_putting_once() -> None:
    dataset = Memory()
    assert dataset.put(CASE) == dataset.put(CASE)
    assert dataset.sent == ["create"]
    assert dataset.bring(CASE).plan.adopts == "a"
    assert released(dataset)


def test_planning_changes_nothing() -> None:
    dataset = Memory()
    assert [call.name for call in dataset.plan(CASE).calls] == ["create"]
    assert dataset.held == {}
    assert dataset.sent == []


def test_a_lost_answer_is_looked_for_and_adopted() -> None:
    dataset = Memory()

    def applied_and_lost() -> None:
        dataset.held["a"] = CASE
        raise LOST

    dataset.trouble = [applied_and_lost]
    brought = dataset.bring(CASE)
    assert brought.plan.adopts == "a"
    assert dataset.sent == ["create"]
    assert dataset.looks == 2
    assert released(dataset)


def test_a_call_that_did_not_arrive_is_made_again() -> None:
    dataset = Memory()
    dataset.trouble = [fails(LOST)]
    assert dataset.put(CASE).id == "a"
    assert dataset.sent == ["create", "create"]
    assert released(dataset)


def test_it_is_given_up_in_the_end_with_nothing_left_over() -> None:
    dataset = Memory()
    dataset.trouble = [fails(LOST)] * 10
    with pytest.raises(cf.TemporaryFailure, match="memory: create: the connection was cut"):
        dataset.put(CASE)
    assert len(dataset.sent) == SETTLING
    assert released(dataset)


@pytest.mark.parametrize(
    "error",
    [cf.PermissionDenied("memory", "create"), RuntimeError("a bug")],
    ids=lambda error: type(error).__name__,
)
def test_other_failures_are_not_repeated_and_leave_nothing_over(error: Exception) -> None:
    dataset = Memory()
    dataset.trouble = [fails(error)]
    with pytest.raises(type(error)):
        dataset.put(CASE)
    assert dataset.sent == ["create"]
    assert released(dataset)


def test_a_name_that_is_taken_for_no_visible_reason_is_looked_for_once() -> None:
    dataset = Memory()
    dataset.trouble = [fails(cf.AlreadyExists("memory", "create"))] * 5
    with pytest.raises(cf.AlreadyExists):
        dataset.put(CASE)
    assert dataset.sent == ["create", "create"]
    assert released(dataset)


def test_another_case_of_the_name_is_not_overwritten() -> None:
    dataset = Memory()
    dataset.put(CASE)
    with pytest.raises(cf.AlreadyExists, match="another case of that name is there"):
        dataset.put(cf.Case(id="a", title="another"))
    assert dataset.held["a"] == CASE


def test_what_is_known_to_be_absent_is_not_looked_for() -> None:
    dataset = Memory()
    dataset.bring(CASE, known_absent=True)
    assert dataset.looks == 0


def test_what_was_wrongly_known_to_be_absent_is_found() -> None:
    dataset = Memory()

    def taken() -> None:
        dataset.held["a"] = CASE
        raise cf.AlreadyExists("memory", "create")

    dataset.trouble = [taken]
    assert dataset.bring(CASE, known_absent=True).plan.adopts == "a"
    assert dataset.looks == 1


def test_files_without_a_place_go_to_the_spare_one() -> None:
    dataset = Memory()
    dataset.overflow = [cf.FileRef("x", opener=lambda: io.BytesIO(b""))]
    kept: list[Any] = []
    dataset.bring(CASE, spare=Spare(lambda case_id, files: kept.append((case_id, list(files)))))
    assert kept == [("a", dataset.overflow)]


# -- annotating, deleting, waiting ---------------------------------------------------------------------------------


def test_annotations_are_added_to_those_that_are_there() -> None:
    dataset = Memory()
    item = dataset.put(CASE)
    dataset.annotate(item, [cf.Label(label="x"), cf.Label(label="y")])
    found = item.case().annotations
    assert [annotation.label for annotation in found] == ["x", "x", "y"]
    assert len({annotation.id for annotation in found}) == 3
    assert found[0] == CASE.annotations[0]
    assert released(dataset)


def test_annotations_that_do_not_fit_are_refused_before_anything_is_sent() -> None:
    dataset = Memory()
    item = dataset.put(CASE)
    dataset.sent.clear()
    with pytest.raises(cf.InvalidCase, match="is 'ct', which is no role of an image"):
        dataset.annotate(item, [cf.Point("ct", (1, 2), frame=0, label="p")])
    with pytest.raises(cf.InvalidCase, match="give each a id of its own"):
        dataset.annotate(item, [cf.Label(label="z", id=CASE.annotations[0].id)])
    assert dataset.sent == []


def test_waiting() -> None:
    dataset = Memory()
    dataset.held["a"] = CASE
    waiting = cf.Item(dataset, "a", "a", state=cf.State.UPLOADING)
    dataset.states = [cf.State.PROCESSING, cf.State.READY]
    assert dataset.wait(waiting).state is cf.State.READY
    dataset.states = [cf.State.PROCESSING, cf.State.FAILED]
    with pytest.raises(cf.ProcessingFailed, match="memory: process a: no slices") as caught:
        dataset.wait(waiting)
    assert caught.value.state == "failed"
    dataset.states = [cf.State.PROCESSING] * 10_000
    with pytest.raises(cf.TemporaryFailure, match="memory: wait for a: still processing"):
        dataset.wait(waiting)


@pytest.mark.parametrize("verb", ["put", "plan", "annotate", "delete", "wait"])
def test_a_verb_that_is_lacking_is_refused(verb: str) -> None:
    dataset = Memory(frozenset(VERBS) - {verb, "put"} if verb == "plan" else frozenset(VERBS) - {verb})
    item = cf.Item(dataset, "a", "a")
    arguments: dict[str, tuple[Any, ...]] = {"put": (CASE,), "plan": (CASE,), "annotate": (item, [])}
    with pytest.raises(cf.UnsupportedOperation, match="memory cannot"):
        getattr(dataset, verb)(*arguments.get(verb, (item,)))
    assert dataset.sent == []


# -- stopping and beginning anew -----------------------------------------------------------------------------------


def test_a_dataset_that_was_stopped_begins_anew() -> None:
    dataset = Memory()
    dataset.cancel()
    with pytest.raises(Cancelled):
        dataset.bring(CASE)
    assert dataset.held == {}
    dataset.resume()
    assert dataset.bring(CASE).item.id == "a"
    dataset.cancel()
    dataset.delete(dataset.put(CASE))
    assert dataset.put(CASE).id == "a"


def test_stopping_ends_a_wait_at_once() -> None:
    dataset = Memory()
    dataset.patience = Patience(first=60, longest=60, total=3600)
    threading.Timer(0.05, dataset.cancel).start()
    with pytest.raises(Cancelled):
        dataset.wait(cf.Item(dataset, "a", "a", state=cf.State.PROCESSING))


def test_words_for_what_is_done_with_patients() -> None:
    with pytest.raises(cf.ConfigurationError, match="phi is 'hide', expected one of 'refuse', 'keep', 'remove'"):
        Memory().put(CASE, phi="hide")  # type: ignore[arg-type]
