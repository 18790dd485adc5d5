"""Through all platforms and home again: what comes back means what left."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry import demo
from caseferry.case.compare import differences
from caseferry.imaging.kinds import Kind
from caseferry.testing import Samples
from transfer_scene import fresh_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.sandbox import Sandbox

WAYS = {
    "as the demo goes": ("grand-challenge", "datamint", "darwin", "local"),
    "and the other way round": ("darwin", "datamint", "grand-challenge", "local"),
}

FIELDS = ("id", "title", "images", "annotations", "values", "attachments", "tags", "folder", "metadata")


def journey_cases(folder: Path) -> list[cf.Case]:
    """Real scans, and every kind of annotation on images of several kinds."""
    with demo._samples() as (dicom, nifti):
        cases = list(demo._cases(dicom, nifti))
    kinds = {
        "full-dicom": (Kind.DICOM_SERIES, Kind.PICTURE),
        "full-nifti": (Kind.NIFTI, Kind.DICOM_MULTIFRAME),
        "full-metaimage": (Kind.METAIMAGE,),
        "full-nrrd": (Kind.NRRD, Kind.NIFTI),
    }
    return cases + [Samples(folder / name).full_case(name, each) for name, each in kinds.items()]


@pytest.mark.parametrize("way", WAYS)
def test_everything_comes_home_equal(
    way: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)
    cases = journey_cases(tmp_path / "samples")
    stops = [f"local:{tmp_path / 'start'}"]
    stops += [fresh_dataset(sandbox, platform, "journey", tmp_path) for platform in WAYS[way]]
    with cf.connect(stops[0]) as start:
        for case in cases:
            start.put(case)
    for number, (source, target) in enumerate(pairwise(stops)):
        report = cf.transfer(
            source, target, journal=tmp_path / f"{number}.db", phi="keep", unmapped="accept"
        )  # invented patients
        assert report.ok, str(report)
        assert report.arrived == len(cases)
    with cf.connect(stops[-1]) as home:
        found = {item.case_id: item.case() for item in home.items()}
    assert found.keys() == {case.id for case in cases}
    assert [line for case in cases for line in differences(case, found[case.id])] == []


def test_the_comparison_would_notice(tmp_path: Path) -> None:
    """Guards the test above: each part of a case that is taken away or changed is a difference."""
    case = Samples(tmp_path).full_case("full")
    for name in ("annotations", "values", "attachments", "tags", "folder", "metadata", "title"):
        whole = getattr(case, name)
        less = dict(list(whole.items())[1:]) if hasattr(whole, "items") else whole[1:]
        changed = cf.Case(**{**{field: getattr(case, field) for field in FIELDS}, name: less})
        assert differences(case, changed), name
