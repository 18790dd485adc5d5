"""A client of Datamint's own SDK that is there already: its host, its key and its TLS settings are taken over."""

from __future__ import annotations

import traceback
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from urllib3.exceptions import InsecureRequestWarning

import caseferry
import caseferry_datamint
from caseferry.errors import ConfigurationError
from caseferry.http import Retry
from caseferry.imaging.kinds import Kind
from caseferry.installed import GROUP
from caseferry.sandbox import Sandbox
from caseferry.sandbox.tls import Authority
from caseferry_datamint import from_sdk
from caseferry_datamint.sandbox import DatamintStandIn
from datamint_old_calls import API, left_out
from peers import DATAMINT, DATAMINT_NEWEST, DATAMINT_OLD, TORCH_FREE, Peer

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from datamint_scene import Scene

WITH_PYTEST = Peer("datamint-2.16.0-pytest", ("datamint==2.16.0", "pytest==8.4.2"), TORCH_FREE)
SEEN = {"seen": ["sandbox"], "projects": ["sandbox", "made by caseferry"], "items": ["a case"]}
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
    [(DATAMINT_OLD, "APIHandler"), (DATAMINT_NEWEST, "Api")],
    ids=["2.5.0", "2.45.0"],
)
def test_clients_of_all_years(scene: Scene, samples: Samples, peer: Peer, client: str) -> None:
    scene.open().put(samples.case("a case", Kind.PICTURE))
    ran = scene.peer(peer, "datamint_hand_over.py", "", *PATHS)
    offered = ran.pop("offered")
    assert ran == {"client": client, **SEEN}
    assert peer is DATAMINT_NEWEST or left_out(offered) == []


@pytest.mark.peer
def test_a_client_that_trusts_certificates_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, samples: Samples
) -> None:
    """The server shows one that nobody else trusts; every other way to trust it is taken away."""

    def variables(standin: DatamintStandIn, ca_file: str) -> dict[str, str]:
        return {**plain(standin, ca_file), "CASEFERRY_CA": ca_file}

    plain = DatamintStandIn.variables
    monkeypatch.setattr(DatamintStandIn, "variables", variables)
    monkeypatch.setattr(DatamintStandIn, "tls", True)
    with Sandbox(platforms=("datamint",)) as sandbox:
        certificates = sandbox.variables["CASEFERRY_CA"]
        known = {name: value for name, value in sandbox.variables.items() if name.startswith("DATAMINT")}
        url, key = known["DATAMINT_API_URL"], known["DATAMINT_API_KEY"]
        assert url.startswith("https://")
        with caseferry.connect("datamint:sandbox", url=url, api_key=key, ca=certificates) as dataset:
            dataset.put(samples.case("a case", Kind.PICTURE))
        ran = DATAMINT.run("datamint_hand_over.py", certificates, *PATHS, variables=known, home=tmp_path)
        with pytest.raises(caseferry.PlatformError, match="certificate"):
            from_sdk(api(True, url, key)).projects()
        with pytest.warns(InsecureRequestWarning):
            assert [each.name for each in from_sdk(api(False, url, key)).projects()] == SEEN["projects"]
    assert isinstance(ran, dict)
    offered = ran.pop("offered")
    assert ran == {"client": "Api", **SEEN}
    assert left_out(offered) == []
    assert {name for row in API for name in row.names if "." in name} <= set(offered)


def handler(**fields: Any) -> Any:
    return SimpleNamespace(root_url="https://api.example.org", api_key="the-key", **fields)


def api(verify: Any, url: str = "https://api.example.org/", key: str = "the-key", port: int | None = None) -> Any:
    return SimpleNamespace(config=SimpleNamespace(server_url=url, api_key=key, verify_ssl=verify, port=port))


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SimpleNamespace is no client of Datamint"):
        from_sdk(SimpleNamespace(config=None))
    with pytest.raises(ConfigurationError, match="expected a datamint"):
        from_sdk("https://api.datamint.io")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was asked for, of which nothing is sent."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    requests: list[dict[str, Any]] = []

    def send(session: Any, request: Any, **options: Any) -> Any:
        requests.append({"url": request.url.split("?")[0], "headers": request.headers, **options})
        raise KeyboardInterrupt

    monkeypatch.setattr("requests.Session.send", send)
    return requests


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    return Path(Authority(tmp_path / "authority").ca_file)


def test_host_and_key_are_taken_over(asked: list[dict[str, Any]]) -> None:
    for client in (handler(), api(True), api(True, port=8443), api(True, "https://hospital.example:1/datamint/")):
        with pytest.raises(KeyboardInterrupt):
            from_sdk(client).projects()
    assert [each["url"] for each in asked] == [
        "https://api.example.org/projects",
        "https://api.example.org/projects",
        "https://api.example.org:8443/projects",
        "https://hospital.example:1/datamint/projects",
    ]
    assert {each["headers"]["apikey"] for each in asked} == {"the-key"}


def test_tls_settings_are_taken_over(
    asked: list[dict[str, Any]], certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [handler(), api(True), api(False), api(str(certificates)), api(certificates)]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    clients += [handler(), api(True), api(False)]
    for number, client in enumerate(clients):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates) if number > 4 else "")
        with pytest.raises(KeyboardInterrupt):
            from_sdk(client).projects()
    path = str(certificates)
    assert [each["verify"] for each in asked] == [True, True, False, path, path, True, path, False]


def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for trusted, why in ((tmp_path / "none.pem", "is not there"), (tmp_path / "empty.pem", "holds no certificates")):
        with pytest.raises(ConfigurationError, match=why):
            from_sdk(api(str(trusted)))
    with pytest.raises(ConfigurationError, match="verify_ssl of SimpleNamespace is of type list"):
        from_sdk(api([]))


def test_a_proxy_is_asked_as_the_client_asks_it(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    for hosts in ("", "api.example.org"):
        monkeypatch.setenv("NO_PROXY", hosts)
        with pytest.raises(KeyboardInterrupt):
            from_sdk(api(True)).projects()
    assert [each["proxies"].get("https") for each in asked] == ["http://proxy.example:3128", None]


def test_the_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retry, "delay", lambda *_: 0.0)
    for client in (handler(), api(True, "http://127.0.0.1:9/")):
        account = from_sdk(client)
        assert "the-key" not in f"{account!r}{vars(account)!r}{account._client.__dict__!r}"
    with pytest.raises(caseferry.PlatformError) as failed:
        account.projects()
    assert "the-key" not in "".join(traceback.format_exception(failed.value))
