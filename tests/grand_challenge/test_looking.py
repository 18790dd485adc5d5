"""How often an archive is listed: it cannot be asked for a title."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import caseferry as cf

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from grand_challenge_scene import Scene


def listings(scene: Scene) -> int:
    return sum(each.method == "GET" and each.path == "/api/v1/archives/items/" for each in scene.sandbox.ledger)


def test_many_cases_take_one_listing(scene: Scene, samples: Samples) -> None:
    archive = scene.open()
    case = samples.case()
    for name in ("one", "two", "three"):
        archive.put(cf.Case(id=name, images=case.images))
    assert listings(scene) == 1
    assert {item.case_id for item in archive.items()} == {"one", "two", "three"}


def test_what_others_have_put_meanwhile_is_found_and_completed(scene: Scene, samples: Samples) -> None:
    archive, other = scene.open(), scene.open()
    case = samples.case()
    archive.put(cf.Case(id="one", images=case.images))
    theirs = other.put(cf.Case(id="two", images=case.images))
    assert archive.put(cf.Case(id="two", images=case.images)).id == theirs.id
    with pytest.raises(cf.AlreadyExists, match="another item of that title"):
        archive.put(cf.Case(id="two", images=case.images, values={"lung-volume": 1.5}))
    assert sorted(item.case_id for item in archive.items()) == ["one", "two"]
