"""A client of gcapi that is there already: its host, its token and what it trusts are taken over."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import gcapi
import numpy as np
import pytest

from caseferry.errors import ConfigurationError, NotFound
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge import from_client
from caseferry_grand_challenge.sandbox import OUTSIDER_TOKEN

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from grand_challenge_scene import Scene


@pytest.fixture
def base(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a client is made with; nothing of it is in the environment."""
    given = dict(scene.sandbox.variables)
    for name in given:
        monkeypatch.delenv(name)
    return {
        "base_url": given["GRAND_CHALLENGE_URL"],
        "token": given["GRAND_CHALLENGE_AUTHORIZATION"],
        "verify": given["CASEFERRY_CA"],
    }


def test_cases_go_both_ways(base: dict[str, Any], samples: Samples) -> None:
    with gcapi.Client(**base) as client:
        account = from_client(client, socket="ct-image")
        assert "grand-challenge:sandbox" in list(account.datasets())
        case = samples.case("one", Kind.NIFTI, values={"lung-volume": 1.9})
        with account.open("sandbox") as archive:
            item = archive.put(case)
            np.testing.assert_array_equal(item.case().images[0].voxels(), case.images[0].voxels())
        assert client.archive_items.detail(pk=item.id).title == "one"


def test_without_certificates(base: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3 warns of it
        with gcapi.Client(**base | {"verify": False}) as client, from_client(client).open("sandbox") as archive:
            assert list(archive.items()) == []


def test_its_token_counts(base: dict[str, Any], scene: Scene) -> None:
    with gcapi.Client(**base | {"token": OUTSIDER_TOKEN}) as client, pytest.raises(NotFound):
        from_client(client).open("sandbox")


def test_what_is_no_client_is_refused(base: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="SimpleNamespace is no client of Grand Challenge"):
        from_client(SimpleNamespace(base_url="https://x/"))
    with gcapi.Client(**base) as client:
        with pytest.raises(ConfigurationError, match="token cannot be given"):
            from_client(client, token="other")
        with pytest.raises(ConfigurationError, match="no option speed"):
            from_client(client, speed=11)
