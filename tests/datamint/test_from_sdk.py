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
from caseferry.registry import GROUP
from caseferry_datamint import from_sdk
from peers import TORCH_FREE, Peer

if TYPE_CHECKING:
    from datamint_scene import Scene

OLD = Peer("datamint-2.5.0-pytest", ("datamint==2.5.0", "pytest==8.4.2"), TORCH_FREE)
NEW = Peer("datamint-2.16.0-pytest", ("datamint==2.16.0", "pytest==8.4.2"), TORCH_FREE)


@pytest.mark.peer
@pytest.mark.parametrize(
    ("peer", "client", "chosen", "least"),
    [(OLD, "APIHandler", "full_case or lists or deletes", 3), (NEW, "Api", "", 50)],
    ids=["2.5.0", "2.16.0"],
)
def test_contract(scene: Scene, tmp_path: Path, peer: Peer, client: str, chosen: str, least: int) -> None:
    described = tmp_path / "described" / "caseferry-0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: caseferry\nVersion: 0\n")
    offered = "".join(f"{each.name} = {each.value}\n" for each in entry_points(group=GROUP))
    (described / "entry_points.txt").write_text(f"[{GROUP}]\n{offered}")
    paths = [Path(package.__file__).parents[1] for package in (caseferry, caseferry_datamint)]
    ran = scene.peer(peer, "datamint_contract.py", str(tmp_path), chosen, str(described.parent), *map(str, paths))
    assert ran["client"] == client
    assert ran["failed"] == {}
    assert ran["counted"]["passed"] >= least


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
