"""Everything that is asked of an account, while the line breaks, the server is busy, or the key may not."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partialmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
from PIL import Image

import caseferry as cf
from caseferry.http import Retry
from caseferry.imaging.kinds import Kind
from caseferry.sandbox.faults import Fault
from caseferry.testing import Samples
from caseferry_datamint import Datamint
from caseferry_datamint.sandbox import POWERLESS_KEY
from datamint_asking import READS, WRITES, Ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamint_scene import Scene

SLOW = "stall=9"
FAULTS = ("429=0", "500", "503=0", "504-after", "reset-before", "reset-after", "truncate", SLOW)
METHODS = {"update worklist": "PATCH", "tags": "PUT", "approve": "PATCH", "export": "GET"} | {
    name: "DELETE" for name in WRITES if name.startswith("delete")
}
"""What changes something, or is the whole of it, where that is no POST."""

WAITED_FOR = {"file", "items", "annotations", "create project", "put", "annotate", "delete resource"}
"""What is asked of a server that does not answer in time, which takes a while."""


@pytest.fixture
def ids(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Ids:
    """A case with a picture on which there is a mask."""
    monkeypatch.setattr(Retry, "delay", lambda *_: 0.0)
    monkeypatch.setattr(requests.Session, "send", partialmethod(impatient, requests.Session.send))
    image = Samples(scene.folder / "samples").image(Kind.PICTURE)
    Image.new("L", (4, 4)).save(scene.folder / "picture.png")
    spot = np.zeros((*image.geometry.shape[:2], 1), np.uint8)  # type: ignore[union-attr]
    spot[1, 1] = 1
    mask = cf.Mask.of_array(image.role, spot, {1: "spot"}, np.eye(4))
    dataset = scene.open()
    item = dataset.put(cf.Case("c", images=[image], annotations=[mask, cf.Label(image.role, "seen")]))
    segmentation = next(dataset.account.annotations(item.id, kind="segmentation")).id
    return Ids(scene.folder, item.id, segmentation, scene.project()["worklist_id"], "c")


def impatient(session: Any, send: Any, request: Any, **options: Any) -> Any:
    """Send, and wait for an answer as long as a test does."""
    return send(session, request, **{**options, "timeout": (5.0, 0.3)})


@contextmanager
def struck(scene: Scene, name: str, fault: str) -> Iterator[None]:
    """A fault that strikes once, and has to."""
    if fault.endswith(SLOW) and name not in WAITED_FOR:
        yield
        return
    due = Fault.parse(f"{fault} x1")
    scene.sandbox.faults.add(due)
    yield
    scene.sandbox.faults.clear()
    assert due.times == 0, name


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_read_is_the_same_on_a_bad_day(scene: Scene, ids: Ids, fault: str) -> None:
    with Datamint() as account:
        plain = {name: read(account, ids) for name, read in READS.items()}
    for name, read in READS.items():
        with struck(scene, name, f"* * {fault}"), Datamint() as unlucky:
            assert read(unlucky, ids) == plain[name], name


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_changed_is_changed_once_on_a_bad_day(scene: Scene, ids: Ids, fault: str) -> None:
    with Datamint() as account:
        for name, write in WRITES.items():
            where = "*dataset*" if name == "export" else "*"
            with struck(scene, name, f"{METHODS.get(name, 'POST')} {where} {fault}"):
                write(account, ids)
    state = scene.standin.state
    assert sorted(each["name"] for each in state["projects"].values()) == ["new", "sandbox"]
    assert sorted(each["name"] for each in state["worklists"].values()) == ["new", "new", "other"]
    assert [each["email"] for each in state["users"].values()].count("new@sandbox.example") == 1
    assert sorted(each["filename"] for each in state["resources"].values()) == ["picture.png", "picture.png"]
    assert [each["identifier"] for each in state["annotations"].values()].count("new") == 1


def test_a_key_that_may_not_is_told_so_whatever_is_asked(scene: Scene, ids: Ids) -> None:
    before = f"{scene.standin.state}"
    for key, kind in ((POWERLESS_KEY, cf.PermissionDenied), ("a key that nobody knows", cf.AuthenticationFailed)):
        for name, ask in (READS | WRITES).items():
            with Datamint(api_key=key) as account, pytest.raises(kind) as refused:
                ask(account, ids)
            assert key not in f"{refused.value!r}{refused.value}", name
    assert f"{scene.standin.state}" == before
