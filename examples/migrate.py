"""Migration: every case of one platform to another, with a look before, exactly once, compared afterwards.

    python examples/migrate.py grand-challenge:coronacases datamint:covid-reading --journal covid.db

Run it again after any interruption: it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import caseferry as cf


def main() -> int:
    """Plan all, transfer all, compare all; the exit code says whether all is well."""
    parser = argparse.ArgumentParser(description="Move every case of a dataset to another one.")
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--journal", required=True)
    parser.add_argument("--phi", choices=("refuse", "keep"), default="refuse")
    given = parser.parse_args()

    with cf.connect(given.source) as source, cf.connect(given.target, phi=given.phi) as target:
        losses: Counter[str] = Counter()
        for item in source.items():
            plan = target.plan(item.case())
            losses.update(f"{loss.part.split(' ', 1)[0]} {loss.kept}" for loss in plan.losses)
        for what, count in sorted(losses.items()):
            print(f"{count} times: {what}")

        report = cf.transfer(source, target, journal=given.journal)
        print(report)
        again = cf.verify(source, target)
        print(again)
    return 0 if report.ok and again.ok else 1


if __name__ == "__main__":
    sys.exit(main())
