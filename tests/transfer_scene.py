"""Datasets in memory, small cases, and ``caseferry`` as a process of its own, for tests of transfers and commands."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.imaging.kinds import Kind
from caseferry.mapping import Names
from caseferry.plan import Reply
from caseferry.sidecar import case_fingerprint
from caseferry.testing import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from caseferry.sandbox import Sandbox

DARWIN_TEAM = "sandbox-team"


class Memory(cf.Dataset):
    """Cases in a dict, on a platform that can do everything.

    Attributes
    ----------
    held : the cases by name
    before_send, before_read : called with a case's name whenever one is written or read
    """

    platform: ClassVar[str] = "memory"

    def __init__(self, url: str = "memory:x", held: Mapping[str, cf.Case] | None = None) -> None:
        super().__init__(url, names=Names())
        self.capabilities = cf.Capabilities(verbs=frozenset({"put", "delete", "wait"}), remote=False)
        self.limits = cf.Limits(in_flight=1)
        self.held: dict[str, cf.Case] = dict(held or {})
        self.before_send: Callable[[str], Any] = lambda _name: None
        self.before_read: Callable[[str], Any] = lambda _name: None

    def items(self, **filters: Any) -> Iterator[cf.Item]:
        return (cf.Item(self, name, name) for name in list(self.held))

    def get(self, item_id: str) -> cf.Item:
        if item_id not in self.held:
            raise cf.NotFound("memory", f"get {item_id!r}")
        return cf.Item(self, item_id, item_id)

    def find(self, case_id: str) -> cf.Item | None:
        return cf.Item(self, case_id, case_id) if case_id in self.held else None

    def read(self, item: cf.Item) -> cf.Case:
        self.before_read(item.id)
        return self.held[item.id]

    def _look(self, case: cf.Case) -> cf.Case | None:
        return self.held.get(case.id)

    def _plan(
        self, case: cf.Case, standing: Any, *, allow_spare: bool, create: bool
    ) -> tuple[cf.Plan, list[cf.FileRef]]:
        if standing is None:
            call = cf.Call(name="create", method="POST", target="cases", body=case)
            return cf.Plan(dataset=self.url, case_id=case.id, calls=(call,)), []
        if case_fingerprint(standing) != case_fingerprint(case):
            raise cf.AlreadyExists("memory", f"put {case.id!r}", "another case of that name is there")
        return cf.Plan(dataset=self.url, case_id=case.id, adopts=case.id), []

    def _send(self, call: cf.Call) -> Reply:
        self.before_send(call.body.id)
        if call.body.id in self.held:
            raise cf.AlreadyExists("memory", f"put {call.body.id!r}", "it is sent twice")
        self.held[call.body.id] = call.body
        return Reply(201)

    def _put_item(self, case: cf.Case, plan: cf.Plan, given: dict[str, Any]) -> cf.Item:
        return cf.Item(self, case.id, case.id)

    def _delete(self, item: cf.Item) -> None:
        del self.held[item.id]


def spoken(name: str) -> cf.Case:
    """A case without images, which is the least there can be."""
    return cf.Case(name, values={"number": len(name)}, annotations=[cf.Label(None, f"of {name}")])


def spot(image: cf.Image, value: int) -> cf.Mask:
    """A small mask of a volume, which lies elsewhere for another value; always of the same id."""
    grid = image.geometry
    assert grid is not None
    voxels = np.zeros(grid.shape, np.uint8)
    voxels[value : value + 2, 1:3, 2] = 1
    return cf.Mask.of_array("nifti", voxels, {1: "spot"}, grid.affine, id="mask")


def small_cases(folder: Path, count: int) -> list[cf.Case]:
    """Cases of a few kB, of several kinds of images, with values, annotations and attachments."""
    samples = Samples(folder)
    made = []
    for number in range(count):
        name = f"case-{number:02}"
        kinds = ([Kind.NIFTI], [Kind.PICTURE], [Kind.DICOM_SERIES], [Kind.METAIMAGE, Kind.PICTURE])[number % 4]
        images = [Samples(folder / name).image(kind) for kind in kinds]
        volume = kinds[0] is not Kind.PICTURE
        made.append(
            cf.Case(
                name,
                title=f"Number {number}",
                images=images,
                annotations=samples.annotations(images[0])[number % 3 :: 3] if volume else [],
                values={"number": number, "nested": {"list": [1, None]}},
                attachments=[cf.Attachment("table", cf.FileRef.of_bytes(b"a,b\r\n%d,2\r\n" % number, "table.csv"))]
                if number % 2
                else [],
                tags=["train"],
                folder="site-a" if number % 3 else "",
            )
        )
    return made


def put_all(url: str, cases: Sequence[cf.Case]) -> None:
    """Put cases into a dataset."""
    with cf.connect(url, phi="keep") as dataset:
        for case in cases:
            dataset.put(case)


def unlike(cases: Sequence[cf.Case], url: str) -> list[str]:
    """What is not as it should be in a dataset that should hold these cases, each once, and nothing else."""
    with cf.connect(url) as dataset:
        items = list(dataset.items())
        found = {item.case_id: item for item in items}
        problems = [] if len(found) == len(items) else [f"twice: {sorted(item.case_id for item in items)}"]
        problems += [f"missing: {case.id}" for case in cases if case.id not in found]
        problems += [f"nobody put: {name}" for name in found.keys() - {case.id for case in cases}]
        for case in cases:
            if case.id in found:
                problems += [f"{case.id}: {each}" for each in differences(case, found[case.id].case())]
    return problems


def fresh_dataset(sandbox: Sandbox, platform: str, name: str, folder: Path) -> str:
    """The URL of a new and empty dataset."""
    standin: Any = sandbox.standins.get(platform)
    if platform == "grand-challenge":
        standin.add_archive(name, name)
        return f"grand-challenge:{name}"
    if platform == "datamint":
        standin.add_project(name)
        return f"datamint:{name}"
    if platform == "darwin":
        standin.add_dataset(name)
        return f"darwin:{DARWIN_TEAM}/{name}"
    return f"local:{folder / name}"


def caseferry(*arguments: str, variables: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """Begin a command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "caseferry", *arguments],
        env={**os.environ, "COLUMNS": "200", **(variables or {})},
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        text=True,
        **options,
    )


def run(*arguments: str, variables: Mapping[str, str] | None = None, timeout: float = 60) -> tuple[int, str, str]:
    """Run a command to its end: its exit code, what it printed, and what it said."""
    with caseferry(*arguments, variables=variables) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return process.returncode, out, err
