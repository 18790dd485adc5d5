"""Sockets and the values that they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from caseferry_grand_challenge.sandbox.checking import complaint
from caseferry_grand_challenge.sandbox.kinds import KINDS, Family
from caseferry_grand_challenge.sandbox.schemas import SCHEMAS
from sandbox_grand_challenge import SAMPLES, Site, value

if TYPE_CHECKING:
    from collections.abc import Iterator


def spoilt(content: Any) -> Iterator[Any]:
    """Variants of a value, most of them wrong: each part left out, doubled, or of another type."""
    yield from (None, "x", 3, 2.5, True, [], {})
    if isinstance(content, dict):
        yield content | {"stranger": 1}
        for key, part in content.items():
            yield {name: other for name, other in content.items() if name != key}
            yield from (content | {key: wrong} for wrong in spoilt(part))
    elif isinstance(content, list):
        yield content * 2
        for index, part in enumerate(content):
            yield content[:index] + content[index + 1 :]
            yield from ([*content[:index], wrong, *content[index + 1 :]] for wrong in spoilt(part))


class TestSockets:
    def test_there_is_one_of_every_kind(self, site: Site) -> None:
        sockets = site.get("components/interfaces/", limit=1000).json()["results"]
        assert {socket["kind"] for socket in sockets} == set(KINDS)
        assert [socket["pk"] for socket in sockets] == sorted({socket["pk"] for socket in sockets})

    def test_super_kinds(self, site: Site) -> None:
        sockets = {s["slug"]: s for s in site.get("components/interfaces/", limit=1000).json()["results"]}
        assert sockets["case-metadata"]["super_kind"] == "Value"
        assert sockets["big-metadata"]["super_kind"] == "File"
        assert sockets["multiple-points"]["super_kind"] == "File"
        assert sockets["point"]["super_kind"] == "Value"
        assert sockets["heat-map"]["super_kind"] == "Image"
        assert sockets["generic-medical-image"]["relative_path"] == ""
        assert sockets["generic-overlay"]["relative_path"] == "images"
        assert sockets["lung-segmentation"]["overlay_segments"][1]["voxel_value"] == 2

    def test_one_socket(self, site: Site) -> None:
        assert site.get("components/interfaces/14/").json()["slug"] == "ct-image"
        assert site.get("components/interfaces/9999/").status_code == 404
        assert site.get("components/interfaces/", slug="CT-Image").json()["count"] == 0

    @pytest.mark.parametrize("kind", [k.name for k in KINDS.values() if k.family is Family.JSON])
    def test_values_of_each_kind(self, site: Site, kind: str) -> None:
        socket = site.standin.add_socket("tried", kind, in_database=True)
        assert socket["kind"] == kind
        item = site.item()
        site.set(item, value("tried", SAMPLES[kind]))
        assert site.values(item)["tried"]["value"] == SAMPLES[kind]
        wrong = [content for content in spoilt(SAMPLES[kind]) if complaint(content, SCHEMAS[kind])]
        if kind != "Anything":
            assert site.change(item, value("tried", wrong[-1])).status_code == 400

    @pytest.mark.parametrize("kind", sorted(SCHEMAS))
    def test_values_are_judged_as_jsonschema_judges_them(self, kind: str) -> None:
        judge = jsonschema.Draft7Validator(SCHEMAS[kind])
        for content in (SAMPLES[kind], *spoilt(SAMPLES[kind])):
            assert (complaint(content, SCHEMAS[kind]) is None) == judge.is_valid(content), content

    @pytest.mark.parametrize("content", ["x", 3.5, True, [1], {"a": 1}, None])
    def test_the_words_are_those_of_jsonschema(self, content: Any) -> None:
        try:
            jsonschema.validate(content, {"type": "integer"})
        except jsonschema.ValidationError as error:
            words = f"JSON does not fulfill schema: instance {error.message.replace(f'{content} ', '')}"
            assert complaint(content, {"type": "integer"}) == words
        else:
            pytest.fail("an integer after all")

    @pytest.mark.parametrize(
        ("slug", "content", "fits"),
        [
            ("severity", "mild", True),
            ("severity", "grave", False),
            ("findings", ["effusion", "nodule"], True),
            ("findings", ["effusion", "other"], False),
            ("lung-volume", "2.5", False),
            ("lung-volume", True, False),
            ("lung-volume", 2, True),
            ("slice-count", 3.5, False),
        ],
    )
    def test_choices_and_numbers(self, site: Site, slug: str, content: Any, fits: bool) -> None:
        assert site.change(site.item(), value(slug, content)).status_code == (200 if fits else 400)

    def test_a_socket_may_have_a_schema_of_its_own(self, site: Site) -> None:
        site.standin.add_socket("score", "Integer", schema={"minimum": 1, "maximum": 5})
        assert site.change(site.item(), value("score", 5)).status_code == 200
        words = site.change(site.item(), value("score", 6)).json()["values"][0]["__all__"][0]
        assert words == "JSON does not fulfill schema: instance is greater than the maximum of 5"

    def test_no_socket_of_an_unknown_kind(self, site: Site) -> None:
        with pytest.raises(ValueError, match="no kind of socket is called 'HeatMap'"):
            site.standin.add_socket("x", "HeatMap")
