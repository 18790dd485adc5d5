"""Answers that are lost: a case of many files arrives, as long as each attempt brings it further."""

from __future__ import annotations

from typing import Any

import pytest

import caseferry as cf
from caseferry.connector.settle import SETTLING
from caseferry.plan import Reply
from transfer_scene import Memory, spoken

FILES = 40
LOST = cf.TemporaryFailure("memory", "upload", "the connection was cut")


class Piecewise(Memory):
    """Takes a case in many calls, each of which must be made once. Every call that `loses` names is not answered."""

    def __init__(self, loses: set[int], *, applied: bool) -> None:
        super().__init__()
        self.there: list[int] = []
        self.made = 0
        self._loses = loses
        self._applied = applied

    def _look(self, case: cf.Case) -> Any:
        return set(self.there)

    def _plan(
        self, case: cf.Case, standing: Any, *, allow_spare: bool, create: bool
    ) -> tuple[cf.Plan, list[cf.FileRef]]:
        calls = tuple(
            cf.Call(name=f"upload {number}", method="POST", target="files", body=number)
            for number in range(FILES)
            if number not in standing
        )
        return cf.Plan(dataset=self.url, case_id=case.id, calls=calls), []

    def _send(self, call: cf.Call) -> Reply:
        self.made += 1
        lost = self.made in self._loses
        if self._applied or not lost:
            self.there.append(call.body)
        if lost:
            raise LOST
        return Reply(201)


@pytest.mark.parametrize("applied", [True, False])
def test_more_answers_may_be_lost_than_attempts_are_made_in_vain(*, applied: bool) -> None:
    dataset = Piecewise(set(range(3, FILES, 3)), applied=applied)
    dataset.put(spoken("c"))
    assert sorted(dataset.there) == list(range(FILES))


def test_a_line_that_brings_nothing_further_is_given_up() -> None:
    dataset = Piecewise(set(range(5, 1_000)), applied=False)
    with pytest.raises(cf.TemporaryFailure, match="the connection was cut"):
        dataset.put(spoken("c"))
    assert dataset.there == [0, 1, 2, 3]
    assert dataset.made == 4 + 1 + SETTLING
