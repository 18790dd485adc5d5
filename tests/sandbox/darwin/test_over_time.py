"""What stays over restarts, and how work grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from caseferry.sandbox import Sandbox
from caseferry_darwin.sandbox import API_KEY, DarwinStandIn
from sandbox_darwin import READY, Darwin, bring, picture, upload_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_folder_keeps_everything(tmp_path: Path) -> None:
    with Sandbox(platforms=("darwin",), folder=tmp_path / "kept") as running, requests.Session() as session:
        session.headers["Authorization"] = f"ApiKey {API_KEY}"
        standin = running.standins["darwin"]
        assert isinstance(standin, DarwinStandIn)
        before = Darwin(running, standin, session, tmp_path)
        done = before.upload(picture(), "done.png", "/x")
        running.settings.processing = 60
        slow = before.register("slow.png")
        before.send(slow["slots"][0]["upload_id"], picture(3, 4))
        open_upload = before.register("open.png")["slots"][0]["upload_id"]
        before.good("POST", "datasets/sandbox/exports", {"name": "slow", "filters": READY})
        assert standin.item("sandbox", "/slow.png")["status"] == "processing"
    with Sandbox(platforms=("darwin",), folder=tmp_path / "kept") as running, requests.Session() as session:
        session.headers["Authorization"] = f"ApiKey {API_KEY}"
        standin = running.standins["darwin"]
        assert isinstance(standin, DarwinStandIn)
        after = Darwin(running, standin, session, tmp_path)
        running.settle()
        assert standin.item("sandbox", "/x/done.png")["id"] == done["id"]
        assert standin.item("sandbox", "/slow.png")["slots"][0]["metadata"] == {"width": 3, "height": 4}
        assert after.good("GET", "datasets/sandbox/exports")[0]["status"] == "complete"
        (blocked,) = after.good("POST", "items/register_upload", upload_body({"name": "done.png", "path": "x"}))[
            "blocked_items"
        ]
        assert blocked["slots"][0]["reason"] == "ALREADY_EXISTS"
        after.send(open_upload, picture())
        running.settle()
        assert standin.item("sandbox", "/open.png")["status"] == "new"
        assert after.call("GET", f"uploads/{done['slots'][0]['upload_id']}").content == picture()


class Unwalked(dict[str, Any]):
    """A table that may be looked up in, not walked over."""

    def __iter__(self) -> Iterator[str]:
        pytest.fail("walked over all items")

    items = values = keys = __iter__  # type: ignore[assignment]


def test_work_for_one_item_does_not_grow_with_their_number(darwin: Darwin) -> None:
    first = darwin.upload(picture(), "first.png")
    state = darwin.standin.state
    for table in ("items", "uploads", "files", "annotations"):
        state[table] = Unwalked(state.get(table, {}))
    second = darwin.upload(picture(), "second.png")
    assert darwin.good("POST", "items/register_upload", upload_body({"name": "first.png"}))["blocked_items"]
    for query in ({"item_ids[]": first["id"]}, {"item_names[]": "first.png", "dataset_ids[]": first["dataset_id"]}):
        assert [item["id"] for item in darwin.listed(**query)] == [first["id"]]
    assert len(darwin.listed(**{"dataset_ids[]": second["dataset_id"]})) == 2
    bring(darwin, second)
    with pytest.raises(pytest.fail.Exception, match="walked"):
        list(state["items"].values())
