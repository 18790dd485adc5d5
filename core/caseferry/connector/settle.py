"""Sending a plan until the platform stands as it says, though nobody knows whether a call arrived."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caseferry.connector.execute import NotDone
from caseferry.errors import AlreadyExists, TemporaryFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry.connector.execute import Execution
    from caseferry.plan import Plan

SETTLING = 4
"""How often a plan is made in vain, from what stands on the platform by then, when nobody knows whether a call arrived.
A plan that has less to do than the one before it was not: of a thousand files, a bad line loses more than a few."""


def settle(planned: Callable[[], Plan], execute: Callable[[Plan], Execution]) -> tuple[Plan, Execution]:
    """Send a plan, and where nobody knows whether a call arrived one made anew, as long as that leads further.

    Parameters
    ----------
    planned : makes the plan from what stands on the platform by then
    execute : sends one

    Returns
    -------
    The last plan, and what its sending has given.
    """
    fewest, fruitless = math.inf, 0
    while True:
        plan = planned()
        fruitless = 0 if len(plan.calls) < fewest else fruitless + 1
        first, fewest = fewest == math.inf, min(fewest, len(plan.calls))
        try:
            return plan, execute(plan)
        except TemporaryFailure as error:
            if fruitless == SETTLING - 1 or isinstance(error, NotDone):
                raise
        except AlreadyExists:  # it has come since somebody looked
            if not first:
                raise
        finally:
            plan.release()
