"""The contract of a connector, as tests: a module for each part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caseferry.imaging.kinds import Kind
from caseferry.registry import connect
from caseferry.testing.contract.changing import Changing
from caseferry.testing.contract.enduring import Enduring
from caseferry.testing.contract.keeping import Keeping
from caseferry.testing.contract.listing import Listing
from caseferry.testing.contract.planning import Planning
from caseferry.testing.contract.refusing import Refusing
from caseferry.testing.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from caseferry.connector import Dataset


class ConnectorContract(Listing, Keeping, Planning, Changing, Refusing, Enduring):
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
