"""Where the host and the key come from: arguments, the official client's variables, its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry_datamint import Datamint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Asked = tuple[str, str]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asked]:
    """The address and the key by which an account asks; nothing is sent."""
    for name in ("DATAMINT_API_URL", "DATAMINT_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def ask(**options: Any) -> Asked:
        sent: list[Asked] = []

        def send(session: Any, request: Any, **_: Any) -> Any:
            sent.append((request.url.split("/projects")[0], request.headers["apikey"]))
            raise KeyboardInterrupt

        monkeypatch.setattr("requests.Session.send", send)
        with Datamint(**options) as account, pytest.raises(KeyboardInterrupt):
            account.projects()
        return sent[0]

    return ask


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Write the configuration file of the official client."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    def written(text: str, place: str = ".config/datamintapi") -> None:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "datamintapi.yaml").write_text(text, encoding="utf-8")

    return written


def test_what_is_nearer_is_taken(
    asked: Callable[..., Asked], write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("default_api_url: https://file.example.org\napi_key: of-the-file\n")
    assert asked() == ("https://file.example.org", "of-the-file")
    monkeypatch.setenv("DATAMINT_API_KEY", "of-the-variable")
    assert asked() == ("https://file.example.org", "of-the-variable")
    monkeypatch.setenv("DATAMINT_API_URL", "https://variable.example.org/")
    assert asked(api_key="given") == ("https://variable.example.org", "given")
    assert asked(url="https://given.example.org/prefix") == ("https://given.example.org/prefix", "of-the-variable")


@pytest.mark.parametrize(
    "line",
    [
        "api_key: the-key",
        "api_key:    the-key   ",
        "api_key: 'the-key'",
        'api_key: "the-key"',
        "api_key: the-key # of the hospital",
        "api_key: 'the-key'  # of the hospital",
        "# api_key: other\nother: [1, 2]\nnested:\n  api_key: other\napi_key: the-key",
    ],
)
def test_the_file_is_read_as_its_writer_means_it(
    asked: Callable[..., Asked], write: Callable[..., None], line: str
) -> None:
    write(f"{line}\n")
    assert asked() == ("https://api.datamint.io", "the-key")


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", ".config/datamintapi"),
        ("darwin", "Library/Application Support/datamintapi"),
        ("win32", "AppData/Local/datamintapi/datamintapi"),
    ],
)
def test_the_file_lies_where_the_client_keeps_it(
    asked: Callable[..., Asked], write: Callable[..., None], monkeypatch: pytest.MonkeyPatch, platform: str, place: str
) -> None:
    write("api_key: the-key\n", place)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr("sys.platform", platform)
    assert asked()[1] == "the-key"


@pytest.mark.parametrize("text", ["", "api_key:\n", "api_key: ''\n", "no yaml", "\ufeff", "api_key: # none\n"])
def test_without_a_key_nothing_is_asked(write: Callable[..., None], monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.delenv("DATAMINT_API_KEY", raising=False)
    write(text)
    with pytest.raises(cf.MissingCredentials, match="DATAMINT_API_KEY"):
        Datamint()


@pytest.mark.parametrize("url", ["datamint.io", "ftp://datamint.io", "https://", "http:///x"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(cf.ConfigurationError, match="expected https://HOST"):
        Datamint(url, "the-key")
