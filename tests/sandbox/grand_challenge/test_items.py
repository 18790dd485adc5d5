"""Items, and how they change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sandbox_grand_challenge import NOBODY, Site, from_itk, picture, value

if TYPE_CHECKING:
    from pathlib import Path


class TestItems:
    def test_values_only_come_by_update(self, site: Site) -> None:
        body = {"archive": site.archive()["api_url"], "values": [value("lung-volume", 1)]}
        answer = site.post("archives/items/", body)
        assert (answer.status_code, answer.json()) == (400, ["Values can only be added via update"])
        assert site.get("archives/items/").json()["count"] == 0

    @pytest.mark.parametrize(
        ("archive", "words"),
        [
            ("sandbox", "Invalid hyperlink - No URL match."),
            ("{base}cases/images/x/", "Invalid hyperlink - Incorrect URL match."),
            ("{base}archives/" + NOBODY + "/", "Invalid hyperlink - Object does not exist."),
            (None, "This field may not be null."),
            (7, "Incorrect type. Expected URL string, received int."),
        ],
    )
    def test_an_archive_is_named_by_its_address(self, site: Site, archive: Any, words: str) -> None:
        named = archive.replace("{base}", site.base) if isinstance(archive, str) else archive
        answer = site.post("archives/items/", {"archive": named})
        assert (answer.status_code, answer.json()) == (400, {"archive": [words]})

    def test_an_archive_is_needed(self, site: Site) -> None:
        assert site.post("archives/items/", {}).json() == {"archive": ["This field is required."]}

    def test_titles(self, site: Site) -> None:
        site.item("one")
        site.item("")
        site.item("")
        archive = site.archive()["api_url"]
        same = site.post("archives/items/", {"archive": archive, "title": "one"})
        words = "The fields title, archive must make a unique set."
        assert (same.status_code, same.json()) == (400, {"non_field_errors": [words]})
        null = site.post("archives/items/", {"archive": archive, "title": None})
        assert null.json() == {"title": ["This field may not be null."]}
        long = site.post("archives/items/", {"archive": archive, "title": "x" * 256})
        assert long.json() == {"title": ["Ensure this field has no more than 255 characters."]}
        site.standin.add_archive("other", "Other")
        site.item("one", "other")

    def test_a_title_is_free_again_once_changed(self, site: Site) -> None:
        first, second = site.item("one"), site.item("two")
        refused = site.call("PATCH", f"archives/items/{second}/", {"title": "one"})
        assert refused.status_code == 400
        assert site.call("PATCH", f"archives/items/{second}/", {"title": "two"}).status_code == 200
        assert site.call("PATCH", f"archives/items/{first}/", {"title": "three"}).json()["title"] == "three"
        assert site.call("PATCH", f"archives/items/{second}/", {"title": "one"}).status_code == 200

    def test_both_shapes(self, site: Site) -> None:
        item = site.item("shown")
        posted = site.change(item, value("report-text", "fine"), value("lung-volume", 1.9)).json()
        assert [list(entry) for entry in posted["values"]] == [
            ["interface", "value", "file", "image", "pk", "image_name"]
        ] * 2
        assert [entry["interface"] for entry in posted["values"]] == ["report-text", "lung-volume"]
        read = site.get(f"archives/items/{item}/").json()
        assert [entry["socket"]["slug"] for entry in read["values"]] == ["lung-volume", "report-text"]
        assert all(entry["socket"] == entry["interface"] for entry in read["values"])
        assert read["values"][0]["value"] == 1.9
        assert list(read) == list(posted)

    def test_values_are_read_by_what_they_are(self, site: Site, tmp_path: Path) -> None:
        item = site.item()
        image = ("a.mha", from_itk(np.zeros((2, 2, 2), np.int16), tmp_path))
        chart = {"data": {"values": []}, "mark": "bar"}
        site.set(
            item,
            {"interface": "ct-image", "user_uploads": [site.upload(*image)]},
            {"interface": "report", "user_upload": site.upload("r.pdf", b"%PDF-")},
            {"interface": "thumbnail-png", "user_upload": site.upload("t.png", picture("RGB"))},
            {"interface": "big-metadata", "user_upload": site.upload("m.json", b"{}")},
            value("volume-chart", chart),
            value("slice-count", 3),
        )
        slugs = [entry["socket"]["slug"] for entry in site.get(f"archives/items/{item}/").json()["values"]]
        assert slugs == ["big-metadata", "slice-count", "thumbnail-png", "volume-chart", "report", "ct-image"]

    def test_patch_merges_and_put_replaces(self, site: Site) -> None:
        item = site.item("case")
        site.set(item, value("lung-volume", 1), value("slice-count", 2), value("report-text", "x"))
        site.set(item, value("lung-volume", 5))
        assert {slug: entry["value"] for slug, entry in site.values(item).items()} == {
            "lung-volume": 5,
            "slice-count": 2,
            "report-text": "x",
        }
        put = site.change(item, value("slice-count", 2), method="PUT")
        assert [entry["interface"] for entry in put.json()["values"]] == ["slice-count"]
        assert put.json()["title"] == "case"
        assert site.call("PUT", f"archives/items/{item}/", {}).json()["values"] == []

    def test_one_wrong_value_and_nothing_is_applied(self, site: Site) -> None:
        item = site.item("case")
        answer = site.change(item, value("lung-volume", 1), value("slice-count", "bad"), title="new")
        words = "JSON does not fulfill schema: instance 'bad' is not of type 'integer'"
        assert (answer.status_code, answer.json()) == (400, {"values": [{}, {"__all__": [words]}]})
        read = site.get(f"archives/items/{item}/").json()
        assert (read["values"], read["title"]) == ([], "case")

    def test_of_one_socket_twice_the_last_wins(self, site: Site) -> None:
        item = site.item()
        site.set(item, value("lung-volume", 1), value("lung-volume", 2))
        assert site.values(item)["lung-volume"]["value"] == 2

    @pytest.mark.parametrize(
        ("entry", "problem"),
        [
            (value("lung-volume", None), {"non_field_errors": ["value is required for interface kind FLT"]}),
            (
                {"interface": "lung-volume", "image": None},
                {"non_field_errors": ["value is required for interface kind FLT"]},
            ),
            (value("report", "text"), {"non_field_errors": ["user_upload or file is required for interface kind PDF"]}),
            ({"socket": "lung-volume", "value": 1}, {"non_field_errors": ["An interface must be specified"]}),
            (value("no-such", 1), {"interface": ["Object with slug=no-such does not exist."]}),
            (value("Lung-Volume", 1), {"interface": ["Object with slug=Lung-Volume does not exist."]}),
            (
                {"interface": "ct-image", "image": "{base}cases/images/" + NOBODY + "/"},
                {"image": ["Invalid hyperlink - Object does not exist."]},
            ),
            (
                {"interface": "report", "user_upload": "{base}uploads/" + NOBODY + "/"},
                {"user_upload": ["Invalid hyperlink - Object does not exist."]},
            ),
            (
                {"interface": "dicom-image-set", "image_name": "x"},
                {
                    "non_field_errors": [
                        "either user_uploads with image_name, or image are required for interface kind DCMIS"
                    ]
                },
            ),
            ("text", {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]}),
        ],
    )
    def test_entries_that_cannot_be_taken(self, site: Site, entry: Any, problem: dict[str, Any]) -> None:
        sent = json.loads(json.dumps(entry).replace("{base}", site.base))
        answer = site.change(site.item(), sent)
        assert (answer.status_code, answer.json()) == (400, {"values": [problem]})

    def test_only_one_source_an_entry(self, site: Site) -> None:
        entry = {**value("lung-volume", 1), "user_upload": site.upload("a.json", b"1")}
        assert "only provide one of" in site.change(site.item(), entry).json()["values"][0]["non_field_errors"][0]

    def test_unknown_keys_are_ignored(self, site: Site) -> None:
        item = site.item()
        site.set(item, {**value("lung-volume", 1), "colour": "red"})
        assert site.values(item)["lung-volume"]["value"] == 1

    @pytest.mark.parametrize(
        ("slug", "content"), [("report-text", ""), ("case-metadata", {}), ("case-metadata", []), ("is-normal", False)]
    )
    def test_empty_values_are_values(self, site: Site, slug: str, content: Any) -> None:
        item = site.item()
        site.set(item, value(slug, content))
        assert site.values(item)[slug]["value"] == content

    def test_equal_values_are_one(self, site: Site) -> None:
        site.standin.add_archive("other", "Other")
        first, second = site.item("a"), site.item("b", "other")
        site.set(first, value("lung-volume", 2), value("case-metadata", {"b": [1, None], "a": True}))
        site.set(second, value("lung-volume", 2.0), value("case-metadata", {"a": True, "b": [1.0, None]}))
        one, two = site.values(first), site.values(second)
        assert one["lung-volume"]["pk"] == two["lung-volume"]["pk"]
        assert one["case-metadata"]["pk"] == two["case-metadata"]["pk"]
        site.set(second, value("case-metadata", {"a": 1, "b": [1, None]}))
        assert one["case-metadata"]["pk"] != site.values(second)["case-metadata"]["pk"]

    @pytest.mark.parametrize("raw", [b"1e400", b'"\\u0000"', b'{"a\\u0000": 1}'])
    def test_values_that_break_the_database(self, site: Site, raw: bytes) -> None:
        item = site.item("before")
        first, second = (
            b'{"interface": "lung-volume", "value": 1}',
            b'{"interface": "case-metadata", "value": ' + raw + b"}",
        )
        body = b'{"title": "after", "values": [' + first + b"," + second + b"]}"
        answer = site.call("PATCH", f"archives/items/{item}/", headers={"Content-Type": "application/json"}, data=body)
        assert answer.status_code == 500
        assert site.get(f"archives/items/{item}/").json()["title"] == "before"
        assert site.values(item) == {}

    def test_archives_that_take_some_sockets_only(self, site: Site) -> None:
        site.standin.add_archive("phase", "Phase", sockets=("lung-volume",))
        item = site.item("x", "phase")
        answer = site.change(item, value("lung-volume", 1), value("slice-count", 1))
        assert (answer.status_code, answer.json()) == (400, ["Socket 'slice-count' is not allowed for this archive."])
        assert site.values(item) == {}
        site.set(item, value("lung-volume", 1))

    def test_json_comes_back_as_the_database_keeps_it(self, site: Site) -> None:
        item = site.item()
        site.set(item, value("case-metadata", {"long": {"zz": None, "b": 1}, "é": "\u00fc", "b": 12345678901234567890}))
        content = site.values(item)["case-metadata"]["value"]
        assert json.dumps(content) == json.dumps(
            {"b": 12345678901234567890, "é": "\u00fc", "long": {"b": 1, "zz": None}}
        )

    def test_rights(self, site: Site, viewer: Site, outsider: Site) -> None:
        item = site.item("seen")
        assert viewer.get(f"archives/items/{item}/").status_code == 200
        assert viewer.change(item, value("lung-volume", 1)).status_code == 403
        assert outsider.change(item, value("lung-volume", 1)).status_code == 404
        missing = outsider.get(f"archives/items/{item}/")
        assert (missing.status_code, missing.json()) == (404, {"detail": "No ArchiveItem matches the given query."})
        assert site.get("archives/items/nonsense/").json() == {"detail": "Not found."}

    def test_a_moved_item_keeps_the_rights_of_its_first_archive(self, site: Site, viewer: Site) -> None:
        private = site.standin.add_archive("private", "Private", roles={"8": "uploader"})
        item = site.item("moved")
        done = site.call("PATCH", f"archives/items/{item}/", {"archive": f"{site.base}archives/{private}/"})
        assert done.json()["archive"].endswith(f"{private}/")
        assert viewer.get("archives/", slug="private").json()["count"] == 0
        assert viewer.get(f"archives/items/{item}/").status_code == 200

    def test_public_archives_are_seen_by_all(self, site: Site, anonymous: Site) -> None:
        site.standin.add_archive("open", "Open", public=True)
        item = site.item("x", "open")
        assert anonymous.get(f"archives/items/{item}/").status_code == 200
