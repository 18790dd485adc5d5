"""A client of Datamint's own SDK that is there already: its host, its key and its TLS settings are taken over."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import caseferry
import caseferry_datamint
from caseferry.errors import ConfigurationError
from caseferry.imaging.kinds import Kind
from caseferry.installed import GROUP
from caseferry_datamint import from_sdk
from peers import DATAMINT, DATAMINT_NEWEST, DATAMINT_OLD, TORCH_FREE, Peer

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from datamint_scene import Scene

WITH_PYTEST = Peer("datamint-2.16.0-pytest", ("datamint==2.16.0", "pytest==8.4.2"), TORCH_FREE)
PATHS = [str(Path(package.__file__).parents[1]) for package in (caseferry, caseferry_datamint)]


@pytest.mark.peer
def test_the_contract_with_a_client_of_today(scene: Scene, tmp_path: Path) -> None:
    described = tmp_path / "described" / "caseferry-0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: caseferry\nVersion: 0\n")
    offered = "".join(f"{each.name} = {each.value}\n" for each in entry_points(group=GROUP))
    (described / "entry_points.txt").write_text(f"[{GROUP}]\n{offered}")
    ran = scene.peer(WITH_PYTEST, "datamint_contract.py", str(tmp_path), str(described.parent), *PATHS)
    assert ran["failed"] == {}
    assert ran["counted"]["passed"] >= 50


@pytest.mark.peer
@pytest.mark.parametrize(
    ("peer", "client"),
    [(DATAMINT_OLD, "APIHandler"), (DATAMINT, "Api"), (DATAMINT_NEWEST, "Api")],
    ids=["2.5.0", "2.16.0", "2.45.0"],
)
def test_clients_of_all_years(scene: Scene, samples: Samples, peer: Peer, client: str) -> None:
    scene.open().put(samples.case("a case", Kind.PICTURE))
    ran = scene.peer(peer, "datamint_hand_over.py", *PATHS)
    projects = ["sandbox", "made by caseferry"]
    assert ran == {"client": client, "seen": ["sandbox"], "projects": projects, "items": ["a case"]}


def handler(**fields: Any) -> Any:
    return SimpleNamespace(root_url="https://api.example.org", api_key="the-key", **fields)


def api(verify: Any) -> Any:
    config = SimpleNamespace(server_url="https://api.example.org/", api_key="the-key", verify_ssl=verify)
    return SimpleNamespace(config=config)


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SimpleNamespace is no client of Datamint"):
        from_sdk(SimpleNamespace(config=None))
    with pytest.raises(ConfigurationError, match="expected a datamint"):
        from_sdk("https://api.datamint.io")


@pytest.mark.parametrize(
    ("client", "trusted"),
    [(handler(), True), (api(True), True), (api(False), False), (api("/certificates.pem"), "/certificates.pem")],
)
def test_tls_settings_are_taken_over(monkeypatch: pytest.MonkeyPatch, client: Any, trusted: Any) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    asked: list[Any] = []

    def send(session: Any, request: Any, **options: Any) -> Any:
        asked.append((request.url.split("?")[0], request.headers["apikey"], options["verify"]))
        raise KeyboardInterrupt

    monkeypatch.setattr("requests.Session.send", send)
    with pytest.raises(KeyboardInterrupt):
        from_sdk(client).projects()
    assert asked == [("https://api.example.org/projects", "the-key", trusted)]


def test_the_key_is_not_shown() -> None:
    account = from_sdk(handler())
    assert "the-key" not in f"{account!r}{vars(account)!r}"
