"""10,000 pictures of a bucket registered in a Darwin dataset, beside the loop of V7's guide, in the same run.

    python tests/benchmarks/darwin_register.py [--items 10000] [--latency 20] [--repeat 1] [--planned 100000] [--sent 0]

The guide's loop makes one request for each item, with plain requests. caseferry gathers the prefix, looks into every
file for what identifies a patient, checks every rule, registers 10 items at once as V7's own client does (and once
more 100, the most that the reference allows), and knows in the end which item holds which case. The bucket itself
costs nothing in either. V7's limit of 100 registrations a minute is switched off in both; the last column of the
second table says what it makes of them. Then many more items are planned and, when `--sent` says so, registered, to
see what memory that takes; `--items 0` does nothing else.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rig import Table, course

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rig import Course, Taken

PER_MINUTE = 100


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=20, help="milliseconds")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--workers", type=int, default=128, help="cases that caseferry has under way at once")
    parser.add_argument("--planned", type=int, default=100_000, help="items that are only planned; 0 for none")
    parser.add_argument(
        "--sent", type=int, default=0, help="items that are registered only to see what memory it takes"
    )
    asked = parser.parse_args()

    with course(asked.latency) as running:
        team = running.variables["DARWIN_TEAM"]
        made = [running.dataset(f"round {number}") for number in range(3 * asked.repeat)]

        def ours(dataset: str, count: int, batch: int, what: str = "send") -> Taken:
            url = f"darwin:{team}/{dataset}"
            return running.ours("caseferry_register.py", url, count, batch, asked.workers, what)

        if asked.items:
            compare(running, asked, made, ours)
        print("\n**Memory**\n\n| what | items | seconds | memory |\n|---|---|---|---|")
        for what, most in (("plan", asked.planned), ("send", asked.sent)):
            for count in (most // 10, most) if most else ():
                taken = ours(running.dataset(f"{what} {count}"), count, 100, what)
                row = f"| {what} | {taken.said['items']} | {taken.seconds:.1f} | +{taken.memory:.0f} MB |"
                print(row, flush=True)
                if taken.said["items"] != count or taken.said["errors"]:
                    raise SystemExit(f"not everything: {taken.said}")


def compare(running: Course, asked: argparse.Namespace, made: Sequence[str], ours: Callable[..., Taken]) -> None:
    """Time caseferry beside the guide's loop, and print both."""
    table = Table(
        f"{asked.items} pictures of a bucket registered in Darwin, {asked.latency:g} ms", asked.items, "items"
    )
    table.run(
        asked.repeat,
        {
            "the guide's loop": lambda n: running.ours("guide_register.py", made[3 * n], asked.items),
            "caseferry, 10 at once": lambda n: ours(made[3 * n + 1], asked.items, 10),
            "caseferry, 100 at once": lambda n: ours(made[3 * n + 2], asked.items, 100),
        },
    )
    for name, rows in table.rows.items():
        wrong = [row.said for row in rows if row.said["items"] != asked.items or row.said["errors"]]
        if wrong:
            raise SystemExit(f"{name} did not register everything: {wrong[0]}")
    requests = asked.items // 100
    table.show(requests * asked.latency / 1000, f"{requests} requests of 100 items, one after another")
    print("| client | registrations | minutes that V7's limit makes of them |\n|---|---|---|")
    for name, each in (("the guide's loop", 1), ("caseferry, 10 at once", 10), ("caseferry, 100 at once", 100)):
        print(f"| {name} | {asked.items // each} | {asked.items / each / PER_MINUTE:g} |")


if __name__ == "__main__":
    main()
