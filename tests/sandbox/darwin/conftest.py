"""The stand-in, fresh for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from caseferry.sandbox import Sandbox
from caseferry_darwin.sandbox import API_KEY, DarwinStandIn
from sandbox_darwin import Darwin, picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def darwin(tmp_path: Path) -> Iterator[Darwin]:
    with Sandbox(platforms=("darwin",)) as running, requests.Session() as session:
        session.headers["Authorization"] = f"ApiKey {API_KEY}"
        standin = running.standins["darwin"]
        assert isinstance(standin, DarwinStandIn)
        home = tmp_path / "home"
        home.mkdir()
        yield Darwin(running, standin, session, home)


@pytest.fixture
def scene(darwin: Darwin) -> dict[str, Any]:
    """An image of 10 by 8 pixels, and classes."""
    classes = {kind: darwin.standin.add_class(kind, [kind]) for kind in ("polygon", "bounding_box", "mask", "keypoint")}
    raster = next(c for c in darwin.standin.state["classes"].values() if c["name"] == "__raster_layer__")
    return {"item": darwin.upload(picture(10, 8), "a.png"), "raster_layer": raster, **classes}
