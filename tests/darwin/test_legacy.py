"""`caseferry import-legacy`: what scripts sent to Darwin's first interface, in the shapes of V7's older guide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import caseferry as cf
from caseferry.cli import main
from caseferry.errors import InvalidCase
from caseferry.storage import Bucket, StorageError
from caseferry_darwin.wire import legacy

if TYPE_CHECKING:
    from pathlib import Path

    from darwin_scene import Scene
    from stores import Stores

BUCKET, READONLY = "sandbox-bucket", "sandbox-readonly"
PLAIN = {"filename": "cat_1.jpg", "path": "cats", "tags": ["shorthair"]}
TEXT = json.dumps({"camera_id": "A123"})
CLIP = {"filename": "cam_1.mp4", "tags": [{"bedroom": TEXT}]}
EXTERNAL = {
    "filename": "cat_1.jpg",
    "key": "animals/originals/cats/1.jpg",
    "thumbnail_key": "animals/thumbnails/cats/1.jpg",
    "width": 900,
    "height": 675,
    "path": "cats",
}


@pytest.fixture
def document(tmp_path: Path) -> Any:
    def write(*items: Any, **more: Any) -> str:
        path = tmp_path / "sent.json"
        path.write_text(json.dumps({"items": items, **more}))
        return str(path)

    return write


def test_each_shape_of_the_guide_is_told_in_todays_words() -> None:
    video = {
        "filename": "a.mp4",
        "key": "v/a.mp4",
        "sections": [{"section_index": 1, "width": 4, "height": 3, "hq_key": "v/1h.png", "lq_key": "v/1l.png"}],
    }
    assert legacy.modern({"items": [PLAIN, CLIP, EXTERNAL, video], "storage_name": "mine"}) == [
        {"name": "cat_1.jpg", "path": "/cats", "tags": ["shorthair"], "type": "image"},
        {"name": "cam_1.mp4", "path": "/", "tags": {"bedroom": TEXT}, "type": "video"},
        {
            "name": "cat_1.jpg",
            "path": "/cats",
            "type": "image",
            "storage_key": "animals/originals/cats/1.jpg",
            "storage_thumbnail_key": "animals/thumbnails/cats/1.jpg",
            "width": 900,
            "height": 675,
        },
        {
            "name": "a.mp4",
            "path": "/",
            "type": "video",
            "storage_key": "v/a.mp4",
            "sections": [
                {
                    "section_index": 1,
                    "width": 4,
                    "height": 3,
                    "storage_hq_key": "v/1h.png",
                    "storage_lq_key": "v/1l.png",
                }
            ],
        },
    ]


def test_what_is_of_no_known_meaning_is_refused_all_at_once() -> None:
    with pytest.raises(InvalidCase) as caught:
        legacy.modern({"items": [{**PLAIN, "colour": 1}, {"path": "/"}, {**PLAIN, "tags": ["a", {"b": "c"}]}], "x": 1})
    for said in ("x: is no field", "items[0].colour: is", "items[1]: has no filename", "items[2].tags: mixes"):
        assert said in str(caught.value)


def test_cases_are_printed(document: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["import-legacy", document(PLAIN, CLIP), "--place", str(tmp_path)]) == 0
    one, two = (cf.Case.from_json(each) for each in json.loads(capsys.readouterr().out))
    assert (one.id, one.folder, one.tags) == ("cats/cat_1.jpg", "cats", ("shorthair",))
    assert one.images[0].files[0].location == f"{tmp_path}/cats/cat_1.jpg"
    (text,) = two.annotations
    assert isinstance(text, cf.Text)
    assert (text.label, text.value) == ("bedroom", TEXT)
    assert main(["import-legacy", document(EXTERNAL, storage_name="mine")]) == 0
    (three,) = (cf.Case.from_json(each) for each in json.loads(capsys.readouterr().out))
    assert three.images[0].files[0].location == "s3://mine/animals/originals/cats/1.jpg"
    assert three.metadata["registration"]["storage_thumbnail_key"] == EXTERNAL["thumbnail_key"]  # type: ignore[index,call-overload]


def test_it_is_sent_again(scene: Scene, document: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**EXTERNAL, "filename": f"cat_{n}.jpg"} for n in range(25)]
    path = document(*rows, storage_name=READONLY)
    target = f"darwin:sandbox-team/sandbox?storage={READONLY}"
    assert main(["import-legacy", path, target]) == 2
    assert "say phi='keep' if they may be used" in capsys.readouterr().err
    assert main(["import-legacy", path, target, "--phi", "keep"]) == 0
    assert "25 of 25 are registered" in capsys.readouterr().err
    calls = [e for e in scene.sandbox.ledger if e.path.endswith("/register_existing_readonly")]
    assert len(calls) < 25
    assert calls[0].body is not None
    assert calls[0].body["json"]["items"][0]["storage_thumbnail_key"] == EXTERNAL["thumbnail_key"]
    with scene.open() as dataset:
        assert {item.case_id for item in dataset.items()} == {f"cats/cat_{n}.jpg" for n in range(25)}
    assert main(["import-legacy", path, target, "--phi", "keep"]) == 1
    out = capsys.readouterr()
    assert "cats/cat_0.jpg" in out.out
    assert "0 of 25 are registered" in out.err


def test_a_key_that_differs_by_case_is_warned_of(
    scene: Scene,
    document: Any,
    stores: Stores,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stores.bucket("s3", monkeypatch)
    stores.make("s3", READONLY)
    stores.fill(f"s3://{READONLY}", dict.fromkeys(("cats/A.jpg", "cats/b.jpg", "CATS/c.jpg"), b"x"))
    stores.calls("s3").clear()
    rows = [{**EXTERNAL, "filename": f"{name}.jpg", "key": f"cats/{name}.jpg"} for name in "abc"]
    target = f"darwin:sandbox-team/sandbox?storage={READONLY}"
    assert main(["import-legacy", document(*rows), target, "--phi", "keep"]) == 0
    warnings = [each.getMessage() for each in caplog.records if "write it alike" in each.getMessage()]
    assert len(warnings) == 1
    assert "'cats/a.jpg' where the bucket has 'cats/A.jpg'" in warnings[0]
    assert [method for method, *_ in stores.calls("s3")] == ["GET"] * 2  # a folder of keys, and one of thumbnails
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(Bucket, "neighbours", refused)
    assert main(["import-legacy", document({**rows[0], "path": "more"}), target, "--phi", "keep"]) == 0
    assert "was not looked at: it cannot be listed" in caplog.text


def refused(*_given: object) -> NoReturn:
    """What a store says that may not be listed."""
    msg = "it cannot be listed"
    raise StorageError(msg)


@pytest.mark.parametrize(
    ("item", "storage", "said"),
    [
        ({**EXTERNAL, "thumbnail_key": EXTERNAL["key"]}, READONLY, "thumbnail"),
        ({**EXTERNAL, "key": "/a.jpg"}, READONLY, "starts with a slash"),
        ({**EXTERNAL, "tags": ["none"]}, READONLY, "UNKNOWN_TAGS"),
        (PLAIN, BUCKET, "has neither slots nor a file of its own"),
        ({"name": "x"}, BUCKET, "is no list of items with a filename"),
    ],
)
def test_nothing_that_breaks_a_rule_is_sent(
    item: Any, storage: str, said: str, scene: Scene, document: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    target = f"darwin:sandbox-team/sandbox?storage={storage}"
    assert main(["import-legacy", document(item), target, "--phi", "keep"]) == 2
    assert said in capsys.readouterr().err
    assert {entry.method for entry in scene.sandbox.ledger} <= {"GET"}


def test_another_storage_or_none_is_refused(scene: Scene, document: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = document(EXTERNAL, storage_name="another")
    for target in ("darwin:sandbox-team/sandbox", f"darwin:sandbox-team/sandbox?storage={READONLY}"):
        assert main(["import-legacy", path, target, "--phi", "keep"]) == 2
        assert "storage_name: is 'another'" in capsys.readouterr().err


def test_what_no_platform_knows(document: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["import-legacy", document({"name": "x"})]) == 2
    assert "is nothing that an older interface" in capsys.readouterr().err
    (tmp_path / "broken.json").write_text("{")
    assert main(["import-legacy", str(tmp_path / "broken.json")]) == 2
    assert main(["import-legacy", str(tmp_path / "none.json")]) == 2
