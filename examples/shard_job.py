"""Transfer job: one of several machines that bring an archive to a dataset, each its own share of the cases.

    python examples/shard_job.py grand-challenge:coronacases darwin:my-team/covid 0 4 --folder /scratch/covid

The share depends on the case's name alone, so that every machine knows its own without asking the others, and a
job that was killed takes up its share again. The report is JSON for whoever watches the jobs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import caseferry as cf


def share_of(case_id: str, shares: int) -> int:
    """Which share a case belongs to, the same on every machine."""
    return int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:8], "big") % shares


def main() -> int:
    """Transfer one share; the exit code is 1 where a case failed."""
    parser = argparse.ArgumentParser(description="Bring a share of an archive's cases to a dataset.")
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("share", type=int)
    parser.add_argument("shares", type=int)
    parser.add_argument("--folder", type=Path, required=True, help="for journals and reports")
    parser.add_argument("--phi", choices=("refuse", "keep"), default="refuse")
    given = parser.parse_args()
    if not 0 <= given.share < given.shares:
        parser.error(f"share {given.share} is not one of {given.shares}")
    given.folder.mkdir(parents=True, exist_ok=True)

    report = cf.transfer(
        given.source,
        given.target,
        journal=given.folder / f"share-{given.share}.db",
        phi=given.phi,
        unmapped="create",  # nobody is there to be asked about a label that the target does not know
        select=lambda item: share_of(item.case_id, given.shares) == given.share,
    )
    text = json.dumps(report.to_json(), indent=1)
    (given.folder / f"share-{given.share}.json").write_text(text, encoding="utf-8")
    print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
