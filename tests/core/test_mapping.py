"""Mappings: names both ways, and files that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.mapping import Names, read_mapping

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
        assert read_mapping(source, "grand-challenge") == Names(
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
        ({"darwin": {"labels": {"a": 1}}}, "the mapping has darwin.labels = "),
        ({"darwin": {"images": "ct"}}, "the mapping has darwin.images = 'ct'; tables are images"),
        ({"darwin": {"colours": {"a": "b"}}}, "the mapping has darwin.colours = "),
    ],
)
def test_what_is_no_mapping(document: dict[str, Any], message: str) -> None:
    with pytest.raises(cf.ConfigurationError, match=message):
        read_mapping(document, "darwin")


@pytest.mark.parametrize("content", [b"[", b"\xff", None])
def test_a_file_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(cf.ConfigurationError, match=r"the mapping '.*mapping.toml' cannot be read: "):
        read_mapping(path, "darwin")
