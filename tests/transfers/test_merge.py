"""What becomes of each annotation, whatever both sides did to it: nothing is lost, and nothing is done twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caseferry.transfers.merge import Base, Step, decide

SAID = st.sampled_from([None, "a", "b", "c"])
BASE = st.none() | st.builds(Base, st.sampled_from("abc"), st.sampled_from(["a", "b", "c", ""]))


def applied(step: Step, source: str | None, target: str | None) -> str | None:
    """What is at the target afterwards."""
    if step in {Step.ADD, Step.REPLACE}:
        return source
    return None if step is Step.REMOVE else target


@given(source=SAID, target=SAID, base=BASE, overwrite=st.booleans())
def test_the_merge_keeps_its_promises(
    source: str | None, target: str | None, base: Base | None, *, overwrite: bool
) -> None:
    equal = source is not None and source == target
    step, reason = decide(source, target, base, equal=equal, overwrite=overwrite)
    after = applied(step, source, target)
    theirs_changed = base is None or target != base.target
    if target is not None and theirs_changed and not overwrite:
        assert after == target, "what people at the target made or changed stays unless asked"
    if after is None and target is not None:
        assert overwrite, "nothing is deleted unasked"
        assert base is not None, "nothing is deleted that was not brought"
        assert target == base.target, "nothing is deleted that was changed"
    if source is None and base is None:
        assert step is Step.NOTHING, "what only people at the target made is never touched"
    if base is not None and source == base.source:
        assert after == target, "what did not change at the source is not brought again"
    if source is not None and base is not None and source != base.source and target == base.target:
        assert after == source, "a change at the source alone is brought"
    assert (step in {Step.LEAVE, Step.CONFLICT}) == bool(reason)
    if step in {Step.ADD, Step.REPLACE}:
        assert source is not None
        assert (step is Step.ADD) == (target is None)
        again, _ = decide(source, after, Base(source, source), equal=True, overwrite=overwrite)
        assert again is Step.NOTHING, "doing it again does nothing"
