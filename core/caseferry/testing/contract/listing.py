"""Opening a dataset, and finding what is in it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from caseferry.annotation import KINDS
from caseferry.capability import VERBS
from caseferry.errors import ConfigurationError, NotFound
from caseferry.registry import DatasetURL, connect, connector

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry.connector import Dataset
    from caseferry.testing.samples import Samples


class Listing:
    """What every dataset does when it is opened and listed."""

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
