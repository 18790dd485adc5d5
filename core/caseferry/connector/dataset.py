"""What is done with the cases in a container on a platform."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as changed
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from caseferry.case.revision import Revision, revision_of
from caseferry.case.seal import refuse_identifying, refuse_identifying_annotations, seal
from caseferry.connector.container import Container
from caseferry.connector.execute import Execution, Patience
from caseferry.connector.item import Brought, Item, Spare, State
from caseferry.connector.settle import settle
from caseferry.deidentify import check_phi
from caseferry.errors import (
    Cancelled,
    ProcessingFailed,
    TemporaryFailure,
    UnsupportedOperation,
)
from caseferry.mapping.flattening import flattened_case, with_overlaps
from caseferry.mapping.unmapped import check_unmapped, makes_names, refused, unmapped_labels
from caseferry.plan import Plan
from caseferry.removal.case import annotations_without_identity, removed_from, without_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from caseferry.annotation import Annotation
    from caseferry.case import Case
    from caseferry.deidentify import Phi
    from caseferry.mapping import Names
    from caseferry.mapping.unmapped import Unmapped


class Dataset(Container):
    """One container on a platform: the verbs, the same for every platform.

    Attributes
    ----------
    platform : the platform's name in messages
    url : the URL by which it was opened
    capabilities, limits : what it can hold and do, and how much at once
    patience : how long its asynchronous work is waited for
    names : the mapping's names for this platform
    unmapped : what is done with labels that the platform does not know, see `caseferry.mapping.unmapped`; None where
        nobody said: then the verbs accept them, and what runs over many cases stops
    """

    def __init__(
        self,
        url: str,
        *,
        names: Names,
        phi: Phi = "refuse",
        unmapped: Unmapped | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self.url = url
        self.names = names
        self.phi: Phi = check_phi(phi)
        self.unmapped = check_unmapped(unmapped) if unmapped is not None else None
        self.patience = patience
        self.cancelled = threading.Event()
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def lies_in(self, other: Dataset) -> bool:
        """Whether what is put here is found in another dataset, too: because they are the same, or this is in it."""
        return self.url == other.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    # -- the verbs -------------------------------------------------------------------------------------------------

    def plan(
        self, case: Case, *, phi: Phi | None = None, spare: Spare | None = None, unmapped: Unmapped | None = None
    ) -> Plan:
        """What `put` would do, without doing it. Looks at the platform, and changes nothing there.

        Raises
        ------
        InvalidCase
            The case cannot be used, cannot be held by the platform, or identifies a patient.
        UnmappedLabels
            The platform does not know a label, and `unmapped` says to stop.
        AlreadyExists
            Another case of that name is there.
        """
        self._require("put")
        sealed = self.sealed(case, phi)
        return self._planned(sealed, self._look(sealed), spare, unmapped)

    def put(self, case: Case, *, phi: Phi | None = None, unmapped: Unmapped | None = None) -> Item:
        """Bring a case there, once: what is there already is completed, and what is complete is left alone.

        Parameters
        ----------
        phi : ``refuse`` (the default) stops a case that identifies a patient before any request; ``keep`` is the
            caller's word that it may be sent; ``remove`` takes what identifies the patient out of its files on their
            way (see `caseferry.removal`), and stops a case from which it cannot be taken
        unmapped : what is done with labels that the platform does not know; see `caseferry.mapping.unmapped`

        Raises
        ------
        InvalidCase, UnmappedLabels
            As `plan`; nothing was sent.
        AlreadyExists
            Another case of that name is there.
        PlatformError
            The platform refused, or failed too often. Calling again goes on where it stopped.
        """
        self.resume()
        return self.bring(case, phi=phi, unmapped=unmapped).item

    def bring(
        self,
        case: Case,
        *,
        phi: Phi | None = None,
        spare: Spare | None = None,
        unmapped: Unmapped | None = None,
        known_absent: bool = False,
    ) -> Brought:
        """Do as `put`, and tell what was done.

        Parameters
        ----------
        spare : where files go for which the platform has no place
        known_absent : the caller knows that the platform does not hold the case, so that nobody need look
        """
        self._require("put")
        sealed = self.sealed(case, phi)
        absent = chain([known_absent], repeat(False))
        plan, done = settle(
            lambda: self._planned(sealed, None if next(absent) else self._look(sealed), spare, unmapped), self.execute
        )
        return Brought(self._put_item(sealed, plan, done.bindings), plan, done.bytes, sealed)

    def annotate(
        self,
        item: Item,
        annotations: Iterable[Annotation] = (),
        *,
        replace: bool = False,
        remove: Iterable[str] = (),
        phi: Phi | None = None,
    ) -> Item:
        """Change the annotations of an item that is there: add some, and what else is asked for.

        Parameters
        ----------
        replace : whether an annotation whose id is there takes that one's place; one that says the same stays
        remove : ids of annotations that are taken away

        Raises
        ------
        InvalidCase
            An annotation does not fit the item's images, its id is taken, or one to be removed is not there; nothing
            was sent.
        """
        self._require("annotate")
        self.resume()
        revision = revision_of(item.case(), annotations, replacing=replace, remove=remove)
        self.revise(item, revision, phi=phi)
        return self.get(item.id)

    def plan_annotate(
        self,
        item: Item,
        annotations: Iterable[Annotation] = (),
        *,
        replace: bool = False,
        remove: Iterable[str] = (),
        phi: Phi | None = None,
    ) -> Plan:
        """What `annotate` would do, without doing it; see there."""
        self._require("annotate")
        revision = revision_of(item.case(), annotations, replacing=replace, remove=remove)
        return self.plan_revision(item, revision, phi=phi)

    def plan_revision(
        self, item: Item, revision: Revision, *, phi: Phi | None = None, unmapped: Unmapped | None = None
    ) -> Plan:
        """What `revise` would do, without doing it."""
        return self._revising(item, revision, phi, unmapped)()

    def revise(
        self, item: Item, revision: Revision, *, phi: Phi | None = None, unmapped: Unmapped | None = None
    ) -> Plan:
        """Change the annotations of an item as a revision of its case says; the last plan that was sent."""
        return settle(self._revising(item, revision, phi, unmapped), self.execute)[0]

    def _revising(
        self, item: Item, revision: Revision, phi: Phi | None, unmapped: Unmapped | None
    ) -> Callable[[], Plan]:
        self._require("annotate")
        if not revision:
            return lambda: Plan(dataset=self.url, case_id=item.case_id, adopts=item.id)
        word = check_phi(phi or self.phi)
        if word == "remove":
            revision = changed(revision, after=annotations_without_identity(revision.after, revision.written))
        if word != "keep" and self.capabilities.remote:
            refuse_identifying_annotations(item.case_id, revision.written)
        wanted = check_unmapped(unmapped or self.unmapped or "accept")
        planned = self._annotating(item, changed(revision, create=makes_names(wanted)))

        return lambda: self._told(planned(), revision.after, wanted)

    def delete(self, item: Item) -> None:
        """Remove an item.

        Raises
        ------
        UnsupportedOperation
            The platform cannot; nothing was asked.
        """
        self._require("delete")
        self.resume()
        self._delete(item)

    def wait(self, item: Item, *, most: float | None = None) -> Item:
        """Wait until the platform is done with an item.

        Parameters
        ----------
        most : seconds that it is waited for; None for the dataset's patience

        Raises
        ------
        ProcessingFailed
            The platform could not process it.
        TemporaryFailure
            It is not done within that time.
        Cancelled
            The user asked to stop.
        """
        self._require("wait")
        began = time.monotonic()
        end = began + (self.patience.total if most is None else most)
        while item.state not in {State.READY, State.FAILED}:
            now = time.monotonic()
            if now > end:
                raise TemporaryFailure(self.platform, f"wait for {item.id}", f"still {item.state}")
            if self.cancelled.wait(self.patience.pause(now - began)):
                raise Cancelled("stopped on request")
            item = self.get(item.id)
        if item.state is State.FAILED:
            raise ProcessingFailed(self.platform, f"process {item.case_id}", item.reason, state=str(item.state))
        return item

    # -- what the verbs are made of --------------------------------------------------------------------------------

    def sealed(self, case: Case, phi: Phi | None = None) -> Case:
        """A case that was looked into and may be sent here, cleaned when `phi` says so; see `caseferry.case.seal`."""
        sealed = self.arranged(seal(case))
        word = check_phi(phi or self.phi)
        if word == "remove":
            return without_identity(sealed, self.reads)
        if word == "refuse" and self.capabilities.remote:
            refuse_identifying(sealed)
        return sealed

    def arranged(self, case: Case) -> Case:
        """A case as it is put here: its masks flattened when the mapping asks for it; see `caseferry.mapping.overlap`.

        Raises
        ------
        InvalidCase
            A mask cannot be read.
        """
        return flattened_case(case, self.names.overlap) if self.names.overlap is not None else case

    def execute(self, plan: Plan) -> Execution:
        """Send the calls of a plan."""
        workers = self._workers() if self.limits.in_flight > 1 else None
        running = Execution(plan, self._send, workers=workers, patience=self.patience, cancelled=self.cancelled.is_set)
        running.run()
        return running

    def cancel(self) -> None:
        """Ask whatever is under way to stop at the next call, until `resume`; what is done can be gone on with."""
        self.cancelled.set()

    def resume(self) -> None:
        """Begin anew after `cancel`. The verbs that change something begin so; a transfer does."""
        self.cancelled.clear()

    def close(self) -> None:
        """Give connections and threads back."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _workers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.limits.in_flight, thread_name_prefix=f"caseferry-{self.platform}")
            return self._pool

    def _planned(self, sealed: Case, standing: Any, spare: Spare | None, unmapped: Unmapped | None) -> Plan:
        wanted = check_unmapped(unmapped or self.unmapped or "accept")
        plan, overflow = self._plan(sealed, standing, allow_spare=spare is not None, create=makes_names(wanted))
        plan = self._told(plan, sealed, wanted)
        if overflow and spare is not None:
            spare.keep(sealed.id, overflow)
        if self.names.overlap is not None:
            plan = changed(plan, held=with_overlaps(sealed, plan.held, self.names.overlap))
        return plan

    def _told(self, plan: Plan, case: Case, unmapped: Unmapped) -> Plan:
        """A plan that says what is removed from the files of its case; refused where names are missing for it."""
        if plan.calls and (missing := refused(plan.missing, unmapped)):
            plan.release()
            raise unmapped_labels(case.id, missing, self.offered().get("labels", {}))
        return changed(plan, removed=removed_from(case))

    def _require(self, verb: str) -> None:
        if verb not in self.capabilities.verbs:
            raise UnsupportedOperation(self.platform, verb, self.instead.get(verb, ""))
