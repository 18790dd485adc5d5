"""The contract of a connector, as tests."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from caseferry.annotation import KINDS, Annotation, Category, Label, Mask, Numeric, Placed, Point, Polygon, Raw, Text
from caseferry.capability import VERBS
from caseferry.case import Case, Image
from caseferry.case.compare import differences
from caseferry.connector import Dataset, Item, State
from caseferry.errors import (
    AlreadyExists,
    CaseferryError,
    ConfigurationError,
    IdentifiableData,
    InvalidCase,
    MissingDependency,
    NotFound,
    UnmappedLabels,
    UnsupportedOperation,
)
from caseferry.held import parts_of
from caseferry.imaging.kinds import Kind
from caseferry.imaging.reading import read_header
from caseferry.registry import DatasetURL, connect, connector
from caseferry.testing.samples import SHAPE, Samples
from caseferry.transfers.run import transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from caseferry.plan import Call, Reply

DIFFICULT_NAMES = (
    "plain",
    "UPPER and lower",
    "upper AND LOWER",
    "with/slash",
    "with%2Fpercent",
    "quotes \"'` and $HOME; --",
    "ünïcode 心臓 🫀",
    "dots.and.nii.gz",
    ".hidden",
    "trailing.",
    "con",
    "a+b=c&d#e?f",
    "{braces}",
    "[brackets], and: colons",
    "x" * 255,
)
"""Names that some platform, file system or protocol has trouble with."""


class _Killed(BaseException):
    """Stands for the end of the process at some call."""


class ConnectorContract:
    """What every connector must do.

    A subclass gives the fixture `url`, and where requests can be counted, `traffic`; the credentials that the
    connector needs are in the environment by then.
    """

    @pytest.fixture
    def url(self) -> str:
        """The URL of a dataset that is empty, may be written, and is used by one test only."""
        raise NotImplementedError

    @pytest.fixture
    def traffic(self) -> Callable[[], int]:
        """How many requests the platform has seen so far. Without a way to know, calls that reach it are not seen."""
        return lambda: 0

    @pytest.fixture
    def dataset(self, url: str) -> Iterator[Dataset]:
        """The dataset, opened."""
        with connect(url) as opened:
            yield opened

    @pytest.fixture
    def samples(self, tmp_path: Path) -> Samples:
        """Images and cases to put there."""
        return Samples(tmp_path / "samples")

    @pytest.fixture
    def kinds(self, dataset: Dataset) -> list[Kind]:
        """The kinds of image that the platform takes, volumes first."""
        taken = [kind for kind, support in dataset.capabilities.images.items() if support != "no"]
        assert set(dataset.capabilities.images) == set(Kind), "capabilities.images speaks of every kind"
        return sorted(taken, key=lambda kind: kind not in {Kind.DICOM_SERIES, Kind.NIFTI, Kind.METAIMAGE, Kind.NRRD})

    # -- opening ---------------------------------------------------------------------------------------------------

    def test_declares_what_it_can_do(self, dataset: Dataset) -> None:
        """Capabilities are complete, plain data, and those of the connector."""
        kind = connector(DatasetURL.parse(dataset.url).scheme)
        assert kind.describe() == dataset.capabilities
        assert dataset.capabilities.verbs <= set(VERBS)
        assert {"items", "get", "find"} <= dataset.capabilities.verbs
        assert set(dataset.capabilities.annotations) == set(KINDS)
        assert json.dumps(dataset.capabilities.to_json())
        assert kind.summary

    def test_its_url_opens_it_again(self, dataset: Dataset, samples: Samples) -> None:
        """`Dataset.url` is all that another process needs."""
        item = dataset.put(samples.case())
        with connect(dataset.url) as again:
            assert again.url == dataset.url
            assert again.get(item.id).case_id == "sample"

    def test_refuses_an_option_that_it_does_not_know(self, url: str) -> None:
        """A misspelt option is an error, not ignored."""
        with pytest.raises(ConfigurationError, match="nonsense"):
            connect(url, nonsense="1")

    # -- listing ---------------------------------------------------------------------------------------------------

    def test_an_empty_dataset_has_no_items(self, dataset: Dataset) -> None:
        """Nothing is there, and nothing is found."""
        assert list(dataset.items()) == []
        assert dataset.find("sample") is None

    def test_lists_every_item_once(self, dataset: Dataset, samples: Samples) -> None:
        """However many there are, and whatever order the platform has."""
        case = samples.case()
        names = [f"case {number:02}" for number in range(23)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: dataset.put(replace(case, id=name)), names))
        listed = list(dataset.items())
        assert sorted(item.case_id for item in listed) == names
        assert len({item.id for item in listed}) == len(names)
        for item in listed[:3]:
            assert dataset.get(item.id) == item
            assert item.dataset is dataset
            assert json.dumps(item.to_json())

    def test_refuses_a_filter_that_it_does_not_know(self, dataset: Dataset, traffic: Callable[[], int]) -> None:
        """Before any request, and when asked rather than at the first item."""
        before = traffic()
        with pytest.raises(ConfigurationError, match="nonsense"):
            dataset.items(nonsense=1)
        assert traffic() == before

    @pytest.mark.parametrize("name", ["no such item", "00000000-0000-4000-8000-000000000000", "1"])
    def test_get_raises_for_what_is_not_there(self, dataset: Dataset, name: str) -> None:
        """`get` raises, `find` gives None."""
        with pytest.raises(NotFound):
            dataset.get(name)
        assert dataset.find(name) is None

    # -- putting and reading ---------------------------------------------------------------------------------------

    def test_a_full_case_comes_back_equal(self, dataset: Dataset, samples: Samples, kinds: list[Kind]) -> None:
        """Every kind of annotation, and every part that a case has."""
        case = samples.full_case(kinds=[kinds[0], Kind.PICTURE] if Kind.PICTURE in kinds else kinds[:1])
        item = dataset.put(case)
        assert item.case_id == case.id
        assert item.state is State.READY
        back = dataset.get(item.id).case()
        assert differences(dataset.sealed(case), back) == []
        assert {annotation.kind for annotation in back.annotations} == set(KINDS)

    @pytest.mark.parametrize("kind", Kind)
    def test_an_image_of_each_kind_comes_back(
        self, dataset: Dataset, samples: Samples, kinds: list[Kind], kind: Kind
    ) -> None:
        """Kept byte for byte where the platform declares it native, with equal voxels in equal places elsewhere."""
        try:
            case = samples.case(kind=kind)
        except MissingDependency as error:
            pytest.skip(str(error))
        if kind not in kinds:
            with pytest.raises(InvalidCase):
                dataset.plan(case)
            return
        back = dataset.put(case).case()
        assert differences(dataset.sealed(case), back) == []
        if dataset.capabilities.images[kind] == "native":
            sent = {ref.name: ref.measured().sha256 for ref in case.images[0].files}
            assert {ref.name: ref.measured().sha256 for ref in back.images[0].files} == sent

    @pytest.mark.parametrize("name", DIFFICULT_NAMES)
    def test_takes_any_name(self, dataset: Dataset, samples: Samples, name: str) -> None:
        """A name comes back as it was, and never collides with one that looks like it."""
        other = samples.case(name.swapcase() if name.swapcase() != name else f"{name}~")
        dataset.put(other)
        item = dataset.put(replace(other, id=name, title="the second"))
        found = dataset.find(name)
        assert found is not None
        assert found.id == item.id
        assert found.case().id == name
        assert found.case().title == "the second"
        assert sorted(each.case_id for each in dataset.items()) == sorted([name, other.id])

    def test_files_may_have_any_name(self, dataset: Dataset, samples: Samples) -> None:
        """File names come back as they were."""
        image = samples.image(Kind.NIFTI)
        refs = [replace(ref, name="Größe, 100% (1) ünïcode.nii.gz") for ref in image.files]
        case = replace(samples.case(), images=[image.with_files(refs)])
        assert differences(dataset.sealed(case), dataset.put(case).case()) == []

    def test_putting_again_changes_nothing(self, dataset: Dataset, samples: Samples) -> None:
        """The same case is recognised; nothing is sent a second time."""
        case = samples.full_case(kinds=[Kind.NIFTI])
        item = dataset.put(case)
        with connect(dataset.url) as again, _recorded(again) as calls:
            assert again.put(case).id == item.id
            assert again.plan(case).calls == ()
        assert calls == []
        assert len(list(dataset.items())) == 1

    def test_another_case_of_the_same_name_is_refused(self, dataset: Dataset, samples: Samples) -> None:
        """What is there stays as it is."""
        case = samples.case(tags=["first"])
        item = dataset.put(case)
        with pytest.raises(AlreadyExists, match="sample"):
            dataset.put(replace(case, tags=["second"], values={"other": 1}))
        assert differences(dataset.sealed(case), dataset.get(item.id).case()) == []

    def test_waits_until_it_is_ready(self, dataset: Dataset, samples: Samples) -> None:
        """`wait` gives the item as it is when the platform is done."""
        assert dataset.wait(dataset.put(samples.case())).state is State.READY

    # -- plans -----------------------------------------------------------------------------------------------------

    def test_a_plan_changes_nothing(self, dataset: Dataset, samples: Samples, kinds: list[Kind]) -> None:
        """It can be printed, is plain data, and leaves no trace."""
        plan = dataset.plan(samples.full_case(kinds=kinds[:2]))
        assert plan.calls
        assert plan.case_id in str(plan)
        assert json.dumps(plan.to_json())
        assert list(dataset.items()) == []

    def test_what_is_sent_is_what_was_planned(self, dataset: Dataset, samples: Samples, kinds: list[Kind]) -> None:
        """Call for call."""
        case = samples.full_case(kinds=kinds[:2])
        plan = dataset.plan(case)
        with _recorded(dataset) as sent:
            dataset.put(case)
        watched = {watch.name for call in plan.calls for watch in call.watch}
        names = [call.name for call in sent if call.name not in watched]
        assert set(names) == {call.name for call in plan.calls}
        repeated = {call.name for call in plan.calls if call.until is not None}
        assert [name for name, times in Counter(names).items() if times > 1 and name not in repeated] == []
        methods = {call.name: call.method for call in plan.calls}
        assert all(methods[call.name] == call.method for call in sent if call.name in methods)

    def test_losses_are_those_that_are_declared(self, dataset: Dataset, samples: Samples, kinds: list[Kind]) -> None:
        """What a platform declares that it cannot hold is a loss of the plan, each part by name."""
        case = samples.full_case(kinds=kinds[:1])
        plan = dataset.plan(case)
        assert Counter(each.part for each in plan.held) == Counter(parts_of(dataset.sealed(case)))
        assert {each.part for each in plan.held if each.kept != "native"} == {loss.part for loss in plan.losses}
        lost = {loss.part.split(" ", 1)[0] for loss in plan.losses}
        offered = dataset.capabilities
        for kind, support in offered.annotations.items():
            assert support == "native" or kind in lost, f"{kind} is declared as {support} and is no loss of the plan"
        parts = ("value", offered.values), ("attachment", offered.attachments), ("tag", offered.tags)
        for part, support in (*parts, ("folder", offered.folders), ("metadata", offered.metadata)):
            assert support == "native" or part in lost
        converted = {loss.part.split(" ", 1)[0] for loss in plan.losses if loss.kept == "converted"} - {"image"}
        assert converted <= set(offered.conversions)
        for declared in (offered.images, offered.annotations):
            assert {str(kind) for kind, support in declared.items() if support == "converted"} <= set(
                offered.conversions
            )

    def test_unmapped_labels_stop_a_transfer(self, dataset: Dataset, samples: Samples, tmp_path: Path) -> None:
        """Where the platform has a list of names, nothing is sent of a case that has others, unless that is asked."""
        kinds = Label("nifti", "a label of nobody"), Point("nifti", (1, 1), frame=1, label="another of nobody")
        with connect(f"local:{tmp_path / 'start'}") as start:
            start.put(samples.case(annotations=kinds))
            missing = dataset.plan(start.get("sample").case()).missing
            if missing:
                with pytest.raises(UnmappedLabels, match="a label of nobody") as refused:
                    transfer(start, dataset)
                for words in ("another of nobody", "mapping init", "--unmapped sidecar"):
                    assert words in str(refused.value)
                assert list(dataset.items()) == []
            report = transfer(start, dataset, unmapped="accept" if missing else None)
        assert report.ok, str(report)
        assert transfer(dataset, f"local:{tmp_path / 'home'}").arrived == 1

    # -- annotating and deleting -----------------------------------------------------------------------------------

    def test_adds_annotations(self, dataset: Dataset, samples: Samples) -> None:
        """To what is there, which stays."""
        if "annotate" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        case = samples.full_case(kinds=[Kind.NIFTI])
        item = dataset.put(case)
        own = "0b0f9a52-8a7e-4d1e-9a52-6f2f0f0a6b10"
        new = [Point("nifti", (1, 2), frame=3, label="later"), Label("nifti", "seen", id=own)]
        after = dataset.annotate(item, new)
        assert after.id == item.id
        kept = dataset.sealed(case).annotations
        found = {annotation.id: annotation for annotation in dataset.get(item.id).case().annotations}
        assert {annotation.id for annotation in kept} <= set(found)
        added = [annotation for name, annotation in found.items() if name not in {each.id for each in kept}]
        assert sorted((each.kind, each.label) for each in added) == [("label", "seen"), ("point", "later")]
        assert own in found

    def test_replaces_and_removes_annotations(self, dataset: Dataset, samples: Samples) -> None:
        """Of every kind, with all that they say; what is not named stays, and doing it again changes nothing."""
        if "annotate" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        case = samples.full_case(kinds=[Kind.NIFTI])
        item = dataset.put(case)
        stand = dataset.sealed(case).annotations
        changed = [_altered(each) for each in stand[::2]]
        plan = dataset.plan_annotate(item, changed, replace=True)
        plan.release()
        with _recorded(dataset) as sent:
            assert dataset.annotate(item, changed, replace=True).id == item.id
        watched = {watch.name for call in plan.calls for watch in call.watch}
        assert {call.name for call in sent} - watched == {call.name for call in plan.calls}
        merged = {each.id: each for each in [*stand, *changed]}
        expected = replace(case, annotations=list(merged.values()))
        assert differences(dataset.sealed(expected), dataset.get(item.id).case()) == []
        with _recorded(dataset) as again:
            dataset.annotate(dataset.get(item.id), changed, replace=True)
        assert again == []
        gone = [each.id for each in stand[1::3]]
        dataset.annotate(dataset.get(item.id), remove=gone)
        expected = replace(case, annotations=[each for name, each in merged.items() if name not in gone])
        assert differences(dataset.sealed(expected), dataset.get(item.id).case()) == []
        with pytest.raises(InvalidCase, match="is not there and cannot be removed"):
            dataset.annotate(dataset.get(item.id), remove=gone)

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_revision_that_was_interrupted_is_completed(
        self, dataset: Dataset, samples: Samples, moment: str
    ) -> None:
        """Whichever call was the last one: what is there afterwards is what was asked for, once."""
        if "annotate" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        kept = [Label("nifti", "stays"), Point("nifti", (1, 1), frame=1, label="goes"), Label("nifti", "old", id="l")]
        case = samples.case(annotations=[*kept, Point("nifti", (2, 2), frame=1, label="moves", id="p")])
        goes = dataset.sealed(case).annotations[1].id
        new = [
            Point("nifti", (3, 3), frame=2, label="moves", id="p", attributes={"seen": 2}),
            Label("nifti", "old", id="l", status="approved"),
            Point("nifti", (4, 4), frame=0, label="comes", id="n"),
        ]
        for last in count():
            name = f"stopped {moment} {last}"
            item = dataset.put(replace(case, id=name))
            with connect(dataset.url) as first:
                _kill(first, last, moment)
                try:
                    first.annotate(first.get(item.id), new, replace=True, remove=[goes])
                except _Killed:
                    pass
                else:
                    break  # it takes no more calls than that
            with connect(dataset.url) as second:
                there = {each.id for each in second.get(item.id).case().annotations}
                second.annotate(second.get(item.id), new, replace=True, remove={goes} & there)
                expected = replace(case, id=name, annotations=[case.annotations[0], *new])
                found = differences(second.sealed(expected), second.get(item.id).case())
                assert found == [], f"stopped {moment} call {last}"
        assert last

    def test_refuses_annotations_that_do_not_fit(
        self, dataset: Dataset, samples: Samples, traffic: Callable[[], int]
    ) -> None:
        """Before anything is sent."""
        if "annotate" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        item = dataset.put(samples.case())
        before = dataset.get(item.id).case()
        with pytest.raises(InvalidCase, match="planes"):
            dataset.annotate(item, [Point("nifti", (1, 2), frame=99, label="too far")])
        with pytest.raises(InvalidCase, match="'other'"):
            dataset.annotate(item, [Point("other", (1, 2), frame=0, label="elsewhere")])
        assert dataset.get(item.id).case() == before

    def test_deletes(self, dataset: Dataset, samples: Samples) -> None:
        """The one that is meant; it can be put again."""
        if "delete" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        case = samples.case()
        kept, gone = dataset.put(replace(case, id="kept")), dataset.put(case)
        dataset.delete(gone)
        assert [item.id for item in dataset.items()] == [kept.id]
        assert dataset.find("sample") is None
        with pytest.raises(NotFound):
            dataset.delete(gone)
        assert differences(dataset.sealed(case), dataset.put(case).case()) == []

    @pytest.mark.parametrize("verb", ["put", "plan", "annotate", "delete", "wait"])
    def test_refuses_what_it_cannot_do(
        self, dataset: Dataset, samples: Samples, traffic: Callable[[], int], verb: str
    ) -> None:
        """A verb that is not declared raises before any request."""
        if verb in dataset.capabilities.verbs:
            return
        item = Item(dataset, "1", "sample")
        arguments: dict[str, tuple[Any, ...]] = {
            "put": (samples.case(),),
            "plan": (samples.case(),),
            "annotate": (item, []),
            "delete": (item,),
            "wait": (item,),
        }
        before = traffic()
        with pytest.raises(UnsupportedOperation, match=verb):
            getattr(dataset, verb)(*arguments[verb])
        assert traffic() == before

    # -- bad input -------------------------------------------------------------------------------------------------

    def test_refuses_a_bad_case_before_any_request(
        self, dataset: Dataset, samples: Samples, traffic: Callable[[], int]
    ) -> None:
        """Every problem is listed at once."""
        image = samples.image(Kind.NIFTI)
        broken = samples.folder / "broken.dcm"
        broken.write_bytes(b"not an image at all" * 40)
        bad = replace(
            samples.case(),
            images=[image, Image("broken", broken)],
            annotations=[
                Mask("nifti", samples.folder / "absent.nii.gz", labels={1: "a"}),
                Mask("nifti", samples.image(Kind.PICTURE).files[0], labels={1: "b"}),
                Point("nifti", (0, 0), frame=4, label="beyond"),
            ],
        )
        before = traffic()
        with pytest.raises(InvalidCase) as refused:
            dataset.put(bad)
        assert traffic() == before
        told = str(refused.value)
        assert "sample" in told
        for part in ("broken.dcm", "absent.nii.gz", "picture.png", "beyond"):
            assert part in told, told

    def test_guards_patients(self, dataset: Dataset, samples: Samples, traffic: Callable[[], int]) -> None:
        """A case that names a patient goes to no remote platform unasked, and no message holds the name."""
        case = _identified(samples)
        before = traffic()
        if not dataset.capabilities.remote:
            assert differences(dataset.sealed(case), dataset.put(case).case()) == []
            return
        for attempt in (dataset.put, dataset.plan):
            with pytest.raises(IdentifiableData, match="PatientName") as refused:
                attempt(case)
            assert "CANARY" not in f"{refused.value}{refused.value!r}"
        assert traffic() == before
        item = dataset.put(case, phi="keep")
        assert item.case_id == case.id

    def test_removes_what_identifies_a_patient_when_asked(self, dataset: Dataset, samples: Samples) -> None:
        """Files arrive without the name and are otherwise the same, once, and the plan says what is taken out."""
        case = _identified(samples)
        assert dataset.plan(case, phi="remove").removed == (f"image 'dicom-series': PatientName ({SHAPE[2]} files)",)
        item = dataset.put(case, phi="remove")
        back = item.case()
        assert differences(dataset.sealed(case, "remove"), back) == []
        assert not any(b"CANARY" in ref.read() for image in back.images for ref in image.files)
        assert (back.images[0].voxels() == case.images[0].voxels()).all()
        assert dataset.put(case, phi="remove").id == item.id
        assert dataset.plan(case, phi="remove").calls == ()

    # -- interruptions ---------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_case_that_was_interrupted_is_completed(self, dataset: Dataset, samples: Samples, moment: str) -> None:
        """Whichever call was the last one, and whether its answer arrived or not: once there, and whole."""
        case = samples.case(annotations=[Label("nifti", "seen"), Point("nifti", (1, 1), frame=1, label="there")])
        for last in count():
            name = f"stopped {moment} {last}"
            with connect(dataset.url) as first:
                _kill(first, last, moment)
                try:
                    first.put(replace(case, id=name))
                except _Killed:
                    pass
                else:
                    break  # it takes no more calls than that
            with connect(dataset.url) as second:
                second.put(replace(case, id=name))
                found = [item for item in second.items() if item.case_id == name]
                assert len(found) == 1, f"stopped {moment} call {last}"
                there = found[0].case()
                assert differences(second.sealed(replace(case, id=name)), there) == [], f"stopped {moment} call {last}"
        assert last

    def test_many_at_once(self, dataset: Dataset, samples: Samples) -> None:
        """Cases that are put from many threads arrive, each with its own files."""
        made = [replace(samples.case(), id=f"many {n}", values={"n": n}) for n in range(12)]
        with ThreadPoolExecutor(12) as pool:
            items = list(pool.map(dataset.put, made))
        for case, item in zip(made, items, strict=True):
            assert differences(dataset.sealed(case), item.case()) == []

    # -- transfers -------------------------------------------------------------------------------------------------

    def test_is_a_source_and_a_target_of_transfers(self, dataset: Dataset, samples: Samples, tmp_path: Path) -> None:
        """From a folder, verified, and back into one; a second run finds everything done."""
        with connect(f"local:{tmp_path / 'start'}") as start, connect(f"local:{tmp_path / 'home'}") as home:
            sent = {}
            for number in range(3):
                case = samples.full_case(f"travelling {number}", kinds=[Kind.NIFTI])
                start.put(case)
                sent[case.id] = start.sealed(case)
            for step, (source, target) in enumerate(((start, dataset), (dataset, home))):
                report = transfer(source, target, journal=tmp_path / "journal" / f"{step}.db", unmapped="accept")
                assert report.ok, report
                assert report.arrived == 3
                again = transfer(source, target, journal=tmp_path / "journal" / f"{step}.db")
                assert dict(again.counts) == {"unchanged": 3}
            for name, case in sent.items():
                item = home.find(name)
                assert item is not None
                assert differences(case, item.case()) == []

    def test_errors_are_caseferrys_own(self, dataset: Dataset, samples: Samples) -> None:
        """Whoever catches `CaseferryError` catches all that a platform can do."""
        with pytest.raises(CaseferryError):
            dataset.put(replace(samples.case(), images=[Image("nifti", samples.folder)]))


# -- what the tests are made of ------------------------------------------------------------------------------------


def _altered(annotation: Annotation) -> Annotation:
    """An annotation of the same name that says something else, in as many ways as its kind allows."""
    said: dict[str, Any] = {"attributes": {"again": True}, "author": "third@example.org"}
    if isinstance(annotation, Placed):
        said["points"] = [[each / 2 for each in point] for point in annotation.points]
    elif isinstance(annotation, Polygon):
        said["rings"] = [[[each / 2 for each in point] for point in ring] for ring in annotation.rings]
    elif isinstance(annotation, Mask):
        voxels = annotation.voxels()[:, :, ::-1]
        grid = read_header([annotation.file]).geometry
        assert grid is not None
        said["file"] = Mask.of_array("any", voxels, annotation.labels, grid.affine).file
    elif isinstance(annotation, Category | Text):
        said["value"] = "other"
    elif isinstance(annotation, Numeric):
        said["value"] = 7
    elif isinstance(annotation, Raw):
        said["payload"] = {"other": None}
    return replace(annotation, **said)


def _identified(samples: Samples) -> Case:
    """A case whose DICOM files name a patient."""
    import pydicom

    case = samples.case("identified", Kind.DICOM_SERIES)
    for ref in case.images[0].files:
        dataset = pydicom.dcmread(ref.location)
        dataset.PatientName, dataset.PatientIdentityRemoved = "CANARY^Jane", "NO"
        dataset.save_as(ref.location)
    return Case.from_json(case.to_json())  # whose files are looked into anew


class _recorded:  # noqa: N801  reads as a word where it is used
    """Records the calls that a dataset sends, in a list."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._calls: list[Call] = []

    def __enter__(self) -> list[Call]:
        send = self._dataset._send  # noqa: SLF001  the one place through which everything goes

        def recording(call: Call) -> Reply:
            self._calls.append(call)
            return send(call)

        self._dataset._send = recording  # type: ignore[method-assign]  # noqa: SLF001
        return self._calls

    def __exit__(self, *error: object) -> None:
        del self._dataset._send  # noqa: SLF001  the method is there again


def _kill(dataset: Dataset, last: int, moment: str) -> None:
    """Have a dataset end at one of its calls, as a process does that is killed."""
    send = dataset._send  # noqa: SLF001  the one place through which everything goes
    left = count()

    def dying(call: Call) -> Reply:
        number = next(left)
        if number > last or (number == last and moment == "before"):
            raise _Killed
        reply = send(call)
        if number == last:
            raise _Killed
        return reply

    dataset._send = dying  # type: ignore[method-assign]  # noqa: SLF001
