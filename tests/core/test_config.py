"""Where credentials and hosts come from, and that they are not shown."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import trustme

import caseferry as cf
from caseferry.config import Secret, Settings, user_config_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('[profiles.work.darwin]\ntoken = "from-profile"\nport = 7\n[profiles.empty]\n[profiles]\nodd = 3\n')
    monkeypatch.setenv("CASEFERRY_CONFIG", str(path))
    for name in ("X_TOKEN", "CASEFERRY_CA"):
        monkeypatch.delenv(name, raising=False)
    return path


def test_arguments_then_profile_then_environment_then_the_clients_own_file_then_the_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"token": "from-own-file"}
    found = []
    found.append(Settings("darwin", {}).get("token", "X_TOKEN", "from-default"))
    found.append(Settings("darwin", {}, own).get("token", "X_TOKEN", "from-default"))
    monkeypatch.setenv("X_TOKEN", "from-environment")
    found.append(Settings("darwin", {}, own).get("token", "X_TOKEN", "from-default"))
    found.append(Settings("darwin", {"profile": "work"}, own).get("token", "X_TOKEN", "from-default"))
    found.append(Settings("darwin", {"profile": "work", "token": "given"}, own).get("token", "X_TOKEN", "from-default"))
    assert found == ["from-default", "from-own-file", "from-environment", "from-profile", "given"]


def test_what_says_nothing_is_passed_over(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_TOKEN", "")
    assert Settings("darwin", {"token": None}, {"token": "own"}).get("token", "X_TOKEN") == "own"
    assert Settings("darwin", {"profile": "work"}).get("port") == "7"
    assert Settings("datamint", {"profile": "work"}).get("token") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("home", "there is no profile 'home' in .*; known are empty, odd, work"),
        ("odd", "profile 'odd' in .* is no table of platforms"),
    ],
)
def test_profiles_that_are_none(config: Path, name: str, message: str) -> None:
    with pytest.raises(cf.ConfigurationError, match=message):
        Settings("darwin", {"profile": name})


@pytest.mark.parametrize("content", [b"[profiles", b"\xff\xfe"])
def test_a_configuration_file_that_cannot_be_read(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    with pytest.raises(cf.ConfigurationError, match=r"the configuration file .* cannot be read: "):
        Settings("darwin", {"profile": "work"})


def test_a_profile_without_a_configuration_file(config: Path) -> None:
    config.unlink()
    with pytest.raises(cf.ConfigurationError, match="profile 'work' is asked for, and there is no configuration file"):
        Settings("darwin", {"profile": "work"})


def test_a_corrected_configuration_file_is_read_anew(config: Path) -> None:
    Settings("darwin", {"profile": "work"})
    config.write_text('[profiles.work.darwin]\ntoken = "corrected"\n')
    assert Settings("darwin", {"profile": "work"}).get("token") == "corrected"


def test_missing_credentials_say_where_they_would_be(config: Path) -> None:
    with pytest.raises(cf.MissingCredentials) as caught:
        Settings("darwin", {}).secret("token", "X_TOKEN")
    assert str(caught.value) == (
        "darwin: no credentials found; set X_TOKEN, name a profile with --profile, or pass them to connect()"
    )
    assert caught.value.variables == ("X_TOKEN",)


def test_a_secret_is_not_shown(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = Settings("darwin", {"token": " s3same \n"}).secret("token", "X_TOKEN")
    assert secret == "s3same"
    for shown in (repr(secret), repr([secret]), repr({"token": secret}), f"{secret!r}", repr(ValueError(secret))):
        assert "s3same" not in shown
    for shown in (str(secret), f"{secret}", f"{secret:>9}", ", ".join(map(str, [secret])), str(ValueError(secret))):
        assert "s3same" not in shown
    assert secret.reveal() == "s3same"
    assert type(secret.reveal()) is str
    assert Settings("darwin", {"token": secret}).secret("token", "X_TOKEN").reveal() == "s3same"
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").debug("with %r", secret)
    assert "s3same" not in caplog.text
    assert "s3same" not in repr(Settings("darwin", {"token": "s3same"}))
    assert isinstance(secret, Secret)


def test_a_file_of_certificates(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings("darwin", {}).certificates() is None
    path = config.with_name("ca.pem")
    trustme.CA().cert_pem.write_to_path(str(path))
    assert Settings("darwin", {"ca": str(path)}).certificates() == str(path)
    with pytest.raises(cf.ConfigurationError, match=r"the file '.*', named by .*, holds no certificates"):
        Settings("darwin", {"ca": str(config)}).certificates()
    monkeypatch.setenv("CASEFERRY_CA", "/no/such/file.pem")
    with pytest.raises(cf.ConfigurationError) as caught:
        Settings("darwin", {}).certificates()
    assert str(caught.value) == (
        "the file of trusted certificates '/no/such/file.pem', named by ca= or CASEFERRY_CA, is not there"
    )


def test_the_folder_for_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_config_folder("caseferry") == tmp_path / "caseferry"
