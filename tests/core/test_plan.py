"""Plans: calls that take what others give, and their words."""

from __future__ import annotations

import pytest

import caseferry as cf
from caseferry.held import native
from caseferry.plan import Given, Part


def call(name: str, **changes: object) -> cf.Call:
    return cf.Call(**({"name": name, "method": "POST", "target": name} | changes))  # type: ignore[arg-type]


def test_what_a_call_takes_is_put_in_its_places() -> None:
    made = call(
        "put", target="items/{item}/x", body={"id": Given("item"), "all": [Given("url"), 3]}, form=(("a", Given("b")),)
    )
    assert made.takes == {"item", "url", "b"}
    filled = made.filled({"item": 7, "url": "u", "b": "c"})
    assert (filled.target, filled.body, filled.form) == ("items/7/x", {"id": 7, "all": ["u", 3]}, (("a", "c"),))
    assert filled.takes == frozenset()
    assert made.to_json()["body"] == {"id": "{item}", "all": ["{url}", 3]}
    with pytest.raises(KeyError, match="b"):
        made.filled({"item": 7})


def test_an_order_that_cannot_work_is_refused() -> None:
    give, take = call("a", gives=("x",)), call("b", target="{x}")
    assert cf.Plan(dataset="d", case_id="c", calls=(give, take)).calls == (give, take)
    for calls in ((take, give), (give, give), (call("a", after=("z",)),)):
        with pytest.raises(AssertionError, match="which no call before it gives, or is there twice"):
            cf.Plan(dataset="d", case_id="c", calls=calls)
    assert cf.Plan(dataset="d", case_id="c", calls=(take,), bindings={"x": 1}).bytes == 0


def test_the_words_of_a_plan() -> None:
    parts = [Part(cf.FileRef.of_bytes(b"x" * 1500, f"{n}.dcm")) for n in range(3)]
    uploads = [call(f"u{n}", target=f"files/{n}", method="PUT", files=(part,)) for n, part in enumerate(parts)]
    final = call("create", purpose="create the item", irreversible="items stay")
    loss = cf.Loss("line 'd'", "no such kind", "sidecar", "the item's metadata")
    plan = cf.Plan(dataset="d:x", case_id="c", calls=(*uploads, final), held=(native("image 'ct'", "slot 0"), loss))
    assert str(plan) == (
        "c -> d:x: 4 calls, 4.5 kB\n"
        "  PUT    files/*  x3\n"
        "  POST   create  (create the item)\n"
        "  PART        COUNT  KEPT     ERROR  WHERE, AND WHY\n"
        "  ----------  -----  -------  -----  ---------------------------------\n"
        "  image 'ct'      1  native   exact  slot 0\n"
        "  line 'd'        1  sidecar  exact  the item's metadata: no such kind\n"
        "  cannot be undone: items stay"
    )
    assert plan.to_json()["bytes"] == 4500
    assert plan.irreversible == ("items stay",)
    assert "already there as 7" in str(cf.Plan(dataset="d", case_id="c", adopts="7"))
