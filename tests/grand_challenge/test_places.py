"""Opening archives and reader studies, and listing what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry.errors import ConfigurationError, NotFound, PlatformError
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge.sandbox import OUTSIDER_TOKEN

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from grand_challenge_scene import Scene


class TestNames:
    def test_of_an_archive(self, scene: Scene) -> None:
        pk = scene.standin.add_archive("lung-ct", "Lung CT, third round")
        for name in ("lung-ct", "Lung CT, third round", pk, pk.upper(), "archives/lung-ct"):
            assert scene.open(name).url == "grand-challenge:lung-ct"

    def test_of_a_reader_study(self, scene: Scene) -> None:
        pk = scene.standin.add_reader_study("reading", "The reading")
        for name in ("reading", "The reading", pk):
            assert scene.open(f"reader-studies/{name}").url == "grand-challenge:reader-studies/reading"

    def test_slugs_come_before_titles(self, scene: Scene) -> None:
        scene.standin.add_archive("first", "second")
        scene.standin.add_archive("second", "third")
        assert scene.open("second").place.slug == "second"

    def test_a_title_of_several(self, scene: Scene) -> None:
        scene.standin.add_archive("one", "Same")
        scene.standin.add_archive("two", "Same")
        with pytest.raises(ConfigurationError, match="one, two"):
            scene.open("Same")

    @pytest.mark.parametrize("name", ["nothing", "reader-studies/nothing", "00000000-0000-4000-8000-000000000000", ""])
    def test_of_nothing(self, scene: Scene, name: str) -> None:
        with pytest.raises((NotFound, ConfigurationError)):
            scene.open(name)

    def test_of_what_may_not_be_viewed(self, scene: Scene) -> None:
        pk = scene.standin.add_archive("hidden", "Hidden", roles={})
        for name in ("hidden", "Hidden", pk):
            with pytest.raises(NotFound, match="may not view"):
                scene.open(name)

    def test_all_of_them(self, scene: Scene) -> None:
        from caseferry_grand_challenge import GrandChallengeConnector

        urls = list(GrandChallengeConnector().datasets())
        assert urls == ["grand-challenge:sandbox", "grand-challenge:reader-studies/sandbox-study"]
        assert list(GrandChallengeConnector(token=OUTSIDER_TOKEN).datasets()) == []


class TestFilters:
    def test_of_archive_items(self, scene: Scene, samples: Samples) -> None:
        dataset = scene.open(socket="ct-image")
        dataset.put(samples.case("with an image", Kind.NIFTI))
        dataset.put(cf.Case(id="with a value", values={"lung-volume": 1.5}))
        assert [item.case_id for item in dataset.items(title="with a value")] == ["with a value"]
        assert [item.case_id for item in dataset.items(socket="ct-image")] == ["with an image"]
        assert list(dataset.items(title="with a value", socket="ct-image")) == []

    def test_that_only_reader_studies_have(self, scene: Scene) -> None:
        with pytest.raises(ConfigurationError, match="title, socket"):
            scene.open().items(user="somebody")
        with pytest.raises(ConfigurationError, match="unanswered_by_user"):
            scene.open("reader-studies/sandbox-study").items(order=1)

    def test_reach_the_platform(self, scene: Scene) -> None:
        list(scene.open("reader-studies/sandbox-study").items(user="reader", unanswered_by_user=True))
        (asked,) = scene.sandbox.ledger.select(path="display-sets")
        assert {("user", "reader"), ("unanswered_by_user", "True")} <= set(asked.query)


class TestReaderStudies:
    def test_come_back_as_they_were_put(self, scene: Scene, samples: Samples) -> None:
        study = scene.open("reader-studies/sandbox-study", socket="ct-image")
        case = samples.full_case("shown", (Kind.NIFTI,))
        item = study.put(case)
        assert [each.case_id for each in study.items()] == ["shown"]
        assert "/reader-studies/sandbox-study/display-sets/" in item.url
        back = item.case()
        assert (back.values, back.metadata, back.tags) == (case.values, case.metadata, case.tags)
        assert sorted(a.id for a in back.annotations) == sorted(a.id for a in study.sealed(case).annotations)

    def test_one_that_has_answers_cannot_be_changed(self, scene: Scene) -> None:
        study = scene.open("reader-studies/sandbox-study")
        item = study.put(cf.Case(id="read", values={"lung-volume": 1.5}))
        scene.standin.mark_answered(item.id)
        with pytest.raises(PlatformError, match="answers for it already exist"):
            study.annotate(item, [cf.Label(None, "seen")])

    def test_are_sources_and_targets_of_transfers(self, scene: Scene, samples: Samples) -> None:
        archive = scene.open(socket="ct-image")
        archive.put(samples.case("one", Kind.NIFTI, tags=["kept"]))
        study = scene.open("reader-studies/sandbox-study", socket="ct-image")
        report = cf.transfer(archive, study, journal=scene.folder / "journal.db", verify=True, unmapped="accept")
        assert report.ok
        assert [item.case().tags for item in study.items()] == [("kept",)]
