"""Help with setting up external storage: the policy that V7 needs, and what is wrong with a storage."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from typing import TYPE_CHECKING

from caseferry.connector.finding import Finding
from caseferry.errors import CaseferryError, ConfigurationError
from caseferry_darwin.wire import rules
from caseferry_darwin.wire.place import scheme_of
from caseferry_darwin.wire.policy import ORIGIN, bucket_policy, cors_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from caseferry_darwin.wire.display import Displays
    from caseferry_darwin.wire.place import Storage

log = logging.getLogger("caseferry.darwin")


def command(arguments: Sequence[str]) -> int:
    """Run ``caseferry darwin policy``.

    Raises
    ------
    ConfigurationError
        Darwin could not use the bucket.
    """
    parser = argparse.ArgumentParser(prog="caseferry darwin", description="Commands that only Darwin has.")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    summary = "print the bucket policy and the CORS rules that V7 needs on an AWS bucket"
    policy = verbs.add_parser("policy", help=summary, description=summary)
    policy.add_argument("--bucket", required=True)
    policy.add_argument("--prefix", default="", help="the keys that V7 may touch; all by default")
    policy.add_argument("--read-only", action="store_true", help="V7 may not write: for read-only registration")
    given = parser.parse_args(arguments)
    if problem := _bucket_problem(given.bucket):
        raise ConfigurationError(problem)
    shown = {
        "policy": bucket_policy(given.bucket, given.prefix, readonly=given.read_only),
        "cors": cors_rules(),
    }
    sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    sys.stderr.write(
        "caseferry: 'policy' goes to the bucket's Permissions > Bucket policy, 'cors' to Permissions > CORS; "
        "then V7's support connects the bucket with your team\n"
    )
    return 0


def _bucket_problem(bucket: str) -> str:
    """What makes a bucket useless to Darwin; empty when nothing does."""
    if "/" in bucket or ":" in bucket or not bucket.strip():
        return f"--bucket is {bucket!r}, expected the name of a bucket alone"
    if "." in bucket:
        return f"the bucket {bucket!r} has dots in its name, which Darwin cannot reach: copy it to one without dots"
    return ""


def storage_findings(storage: Storage, displays: Displays, prepare: str = "") -> Iterator[Finding]:
    """What is to be said of a storage that a dataset was opened with."""
    where = f"the storage {storage.name!r}"
    kind = "read-only" if storage.readonly else "read-write"
    yield Finding("ok", where, f"is {kind}, on {storage.provider}, in {storage.bucket!r}")
    way = rules.Way.READONLY if storage.readonly else rules.Way.READWRITE
    for broken in rules.check([], way, rules.Knowledge(storage=storage)):
        yield Finding(broken.level, broken.where, broken.what, broken.remedy)
    prepared = any(each.thumbnail for each in displays.roles.values())
    if storage.readonly and not prepared and not prepare:
        what = "takes only files that are prepared, and the mapping names no thumbnails"
        yield Finding(
            "warning", where, what, "say in the mapping where they lie, or have them made: prepare=s3://BUCKET/PREFIX"
        )
    if not storage.readonly and prepared:
        what = "is read-write, and the mapping names thumbnails, which Darwin then makes itself"
        yield Finding("warning", where, what, "leave them out, or have V7 make it read-only")
    address = f"{scheme_of(storage)}://{storage.bucket}"
    yield from _reading(address)
    yield _showing(address, storage)


def _reading(address: str) -> Iterator[Finding]:
    """Whether the bucket can be listed and read from here, which registering a prefix needs."""
    from caseferry.storage import Bucket

    what = "the bucket, seen from here"
    needs = "'caseferry register' needs it; give this machine's credentials"
    try:
        bucket = Bucket(address)
        found = next((each for each in bucket.list() if each.size), None)
    except CaseferryError as error:
        yield Finding("warning", what, str(error), f"{needs} s3:ListBucket, or the like")
        return
    if found is None:
        yield Finding("ok", what, f"{address} can be listed, and is empty")
        return
    try:
        bucket.range(found.key, 0, 1)
    except CaseferryError:  # its words name the object, and folders may be called after patients
        yield Finding(
            "warning", what, f"{address} can be listed, and not be read", f"{needs} s3:GetObject, or the like"
        )
        return
    yield Finding("ok", what, f"{address} can be listed and read")


def _showing(address: str, storage: Storage) -> Finding:
    """Whether browsers on Darwin may show the bucket's files, which the bucket tells anybody."""
    from caseferry.files.preflight import shows_in_browser

    what = "the bucket, seen from a browser"
    remedy = f"let its CORS rules allow GET to {ORIGIN}"
    if storage.provider == "aws":
        switch = " --read-only" if storage.readonly else ""
        remedy += f": 'caseferry darwin policy --bucket {storage.bucket}{switch}' prints them"
    try:
        shown = shows_in_browser(address, ORIGIN)
    except CaseferryError as error:
        return Finding("warning", what, f"could not be asked: {error}", f"look yourself, and {remedy}")
    if shown:
        return Finding("ok", what, f"pages of {ORIGIN} may show its files")
    return Finding("error", what, f"pages of {ORIGIN} may not show its files (CORS)", remedy)


def neighbours(storage: Storage, keys: Iterable[str]) -> frozenset[str]:
    """What lies in the folders of some keys, as the platform names it.

    Nothing where the bucket cannot be listed, or where nothing says how: Darwin reads it all the same.
    """
    from caseferry.files.objects import settings
    from caseferry.storage import Bucket

    if not any(settings()):
        return frozenset()
    one_of_each = {key.rpartition("/")[0]: key for key in keys}
    found: set[str] = set()
    try:
        bucket = Bucket(f"{scheme_of(storage)}://{storage.bucket}")
        for key in one_of_each.values():
            inside = key.removeprefix(storage.in_front)
            found |= {f"{storage.in_front}{each}" for each in bucket.neighbours(inside)}
    except CaseferryError as error:
        log.warning("whether the keys are those of the bucket was not looked at: %s", error)
    return frozenset(found)
