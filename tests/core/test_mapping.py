"""Mappings: names both ways, and files that are none."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.mapping import PARTS, Names, read_mapping
from caseferry.mapping.first import Used, first_mapping, names_in
from caseferry.testing import Samples
from strategies import WORD, cases

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
[grand-challenge]
sidecar = "case-metadata"
[grand-challenge.images]
ct = "ct-image"
[darwin.labels]
nodule = "Nodule"
"""


def test_a_file_and_a_dict_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(TEXT)
    given = {"grand-challenge": {"sidecar": "case-metadata", "images": {"ct": "ct-image"}}}
    for source in (path, str(path), given):
        assert read_mapping(source, "grand-challenge", settings=["sidecar"]) == Names(
            images={"ct": "ct-image"}, options={"sidecar": "case-metadata"}
        )
    assert read_mapping(path, "datamint") == Names() == read_mapping(None, "datamint")


def test_labels_both_ways() -> None:
    names = Names(labels={"nodule": "Nodule"})
    assert names.label("nodule") == "Nodule"
    assert names.label_back("Nodule") == "nodule"
    assert names.label("lung") == "lung" == names.label_back("lung")


def test_options_given_otherwise() -> None:
    names = Names(options={"sidecar": "a", "x": "1"}).with_options(sidecar="b", x=None)
    assert names.options == {"sidecar": "b", "x": "1"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"darwin": 3}, r"the mapping's \[darwin\] is 3, expected a table"),
        ({"darwin": {"labels": {"a": 1}}}, "the mapping has darwin.labels.a = 1, expected a name"),
        ({"darwin": {"images": "ct"}}, "the mapping has darwin.images = 'ct'; tables are images"),
        ({"darwin": {"colours": {"a": "b"}}}, "the mapping has darwin.colours = "),
        ({"darwin": {"batsh": 3}}, "the mapping has darwin.batsh = 3; .*single settings are batch"),
        ({"darwn": {"labels": {"a": "b"}}}, r"the mapping has \[darwn\], .* tables are \[darwin\], \[datamint\]"),
        ({"labels": {"a": "b"}}, r"the mapping has \[labels\], which is no platform"),
    ],
)
def test_what_is_no_mapping(document: dict[str, Any], message: str) -> None:
    with pytest.raises(cf.ConfigurationError, match=message):
        read_mapping(document, "darwin", settings=["batch"], platforms=["darwin", "datamint"])


@pytest.mark.parametrize("content", [b"[", b"\xff", None])
def test_a_file_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(cf.ConfigurationError, match=r"the mapping '.*mapping.toml' cannot be read: "):
        read_mapping(path, "darwin")


def test_a_first_mapping_maps_what_is_there_and_tells_of_the_rest() -> None:
    used = Used()
    used.names |= {
        "images": {"CT image": 2, "overlay": 1},
        "labels": {'say "hi"\x7f\n': 1},
        "values": {},
        "attachments": {"r": 1},
    }
    offered = {"images": {"ct-image": "Image", "generic-overlay": "Heat Map"}, "labels": {}}
    text = first_mapping("grand-challenge", used, offered)
    assert text.splitlines() == [
        "# Names in the cases, and what they are called on grand-challenge.",
        "",
        "[grand-challenge.images]",
        '"CT image" = "ct-image"  # "Image"; in 2 cases',
        '# "overlay" = ""  # in 1 case; there is "generic-overlay" ("Heat Map")',
        "",
        "[grand-challenge.labels]",
        '# "say \\"hi\\"\\u007f\\n" = ""  # in 1 case; nothing like it is there',
        "",
        "[grand-challenge.attachments]",
        '# "r" = "r"  # in 1 case; any name is taken',
    ]


@settings(max_examples=35)  # each draws whole cases, with all names of several
@given(st.lists(cases(), max_size=3), st.dictionaries(st.sampled_from(PARTS), st.dictionaries(WORD, WORD, max_size=3)))
def test_a_first_mapping_is_a_mapping(held: list[cf.Case], offered: dict[str, dict[str, str]]) -> None:
    """Whatever names are like; and what it maps is there on both sides."""
    used = names_in(held)
    fields = ("colour", "code")
    names = read_mapping(tomllib.loads(first_mapping("x", used, offered, fields)), "x", (), fields)
    for part in PARTS:
        for ours, theirs in getattr(names, part).items():
            assert ours in used.names[part]
            assert theirs in offered[part] or names.details_of(theirs) == used.details[ours]
        assert all(name in getattr(names, part) for name in used.names[part] if name in offered.get(part, {}))


def test_a_first_mapping_speaks_of_every_name_in_the_cases(tmp_path: Path) -> None:
    case = Samples(tmp_path).full_case()
    used = names_in([case, case])
    assert used.names["images"] == {"dicom-series": 2, "picture": 2}
    assert {"spot", "blob", "diameter", "whole case"} < used.names["labels"].keys()
    assert used.names["values"].keys() == case.values.keys()
    assert used.names["attachments"] == {"report": 2, "table": 2}


def test_colours_and_codes_of_labels_stand_in_a_first_mapping() -> None:
    """Where all that say one say the same; read back, they are those of a class that is made."""
    mass, lump = cf.Code("4147007", "SCT", "Mass"), cf.Code("300848003", "SCT")
    annotations = [
        cf.Label(None, "mass", codes=(mass,), attributes={"ROIDisplayColor": [192, 0, 16]}),
        cf.Label(None, "mass", codes=(mass,), attributes={"Color": "0.1 0.2 0.3"}),
        cf.Label(None, "two", codes=(mass,), attributes={"Color": "1 0.5 0"}),
        cf.Label(None, "two", codes=(lump,), attributes={"Color": "nan a b"}),
        cf.Label(None, "two", codes=(mass,), attributes={"ROIDisplayColor": "red"}),
        cf.Label(None, "there", codes=(lump,)),
    ]
    used = names_in([cf.Case("a", annotations=annotations)])
    text = first_mapping("darwin", used, {"labels": {"There": "tag"}}, ("colour", "code"))
    names = read_mapping(tomllib.loads(text), "darwin", (), ("colour", "code"))
    assert names.labels == {"mass": "mass", "there": "There", "two": "two"}
    assert names.details == {"mass": {"code": "SCT:4147007"}, "two": {"colour": "#ff8000"}}
    assert "--create-missing makes it" in text
    assert "colour" not in first_mapping("datamint", used, {"labels": {}})
