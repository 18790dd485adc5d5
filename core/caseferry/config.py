"""Where credentials and hosts come from.

Arguments come first, then a named profile, the environment, the official clients' own files, and last a default.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from caseferry.errors import ConfigurationError, MissingCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_VARIABLE = "CASEFERRY_CONFIG"
CA_VARIABLE = "CASEFERRY_CA"


class Secret(str):
    """Text that is not shown: it prints as three stars, in whatever it stands; `reveal` says it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def reveal(self) -> str:
        """The text itself."""
        return "".join(self)


def user_config_folder(application: str) -> Path:
    """Where an application keeps its settings for this user."""
    if os.name == "nt":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / application
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / application


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The document in a TOML file.

    Parameters
    ----------
    what : the file is, for the message

    Raises
    ------
    ConfigurationError
        It cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"the {what} {str(path)!r} cannot be read: {error}"
        raise ConfigurationError(msg) from error


def one_of(words: Any, given: Any, setting: str) -> Any:
    """The given word, which is one that a setting can have.

    Parameters
    ----------
    words : a type that is `Literal` of them

    Raises
    ------
    ConfigurationError
        It is no such word.
    """
    if given not in get_args(words):
        msg = f"{setting} is {given!r}, expected one of {', '.join(map(repr, get_args(words)))}"
        raise ConfigurationError(msg)
    return given


def profile(name: str, platform: str) -> dict[str, str]:
    """The settings of one platform in a named profile: the table ``[profiles.NAME.PLATFORM]``.

    The file is the one that the variable ``CASEFERRY_CONFIG`` names, else ``config.toml`` in the user's folder for
    caseferry's settings.

    Raises
    ------
    ConfigurationError
        There is no such file or no such profile.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else user_config_folder("caseferry") / "config.toml"
    if not path.is_file():
        msg = f"profile {name!r} is asked for, and there is no configuration file {str(path)!r}"
        raise ConfigurationError(msg)
    profiles = read_toml(path, "configuration file").get("profiles", {})
    if name not in profiles:
        msg = f"there is no profile {name!r} in {str(path)!r}; known are {', '.join(sorted(profiles)) or 'none'}"
        raise ConfigurationError(msg)
    table = profiles[name].get(platform, {}) if isinstance(profiles[name], dict) else None
    if not isinstance(table, dict):
        msg = f"profile {name!r} in {str(path)!r} is no table of platforms; expected [profiles.{name}.{platform}]"
        raise ConfigurationError(msg)
    return {key: str(value) for key, value in table.items()}


class Settings:
    """The settings of one platform, looked up where users keep them.

    Parameters
    ----------
    platform : its scheme
    arguments : what was given to `connect`; the first place to look
    own_file : what the platform's official client has in its own configuration file; the last place to look
    """

    def __init__(self, platform: str, arguments: Mapping[str, Any], own_file: Mapping[str, str] | None = None) -> None:
        self.platform = platform
        self._arguments = {key: value for key, value in arguments.items() if value is not None}
        name = self._arguments.get("profile")
        self._profile = profile(str(name), platform) if name else {}
        self._own_file = own_file or {}

    def get(self, name: str, variable: str = "", default: str | None = None) -> str | None:
        """One setting, or the default.

        Parameters
        ----------
        variable : the environment variable that may hold it
        """
        if name in self._arguments:
            given = self._arguments[name]
            return given if isinstance(given, str) else str(given)
        if name in self._profile:
            return self._profile[name]
        if variable and os.environ.get(variable):
            return os.environ[variable]
        return self._own_file.get(name, default)

    def secret(self, name: str, variable: str) -> Secret:
        """A credential.

        Raises
        ------
        MissingCredentials
            It is nowhere to be found.
        """
        value = self.get(name, variable)
        if not value:
            raise MissingCredentials(self.platform, [variable])
        return Secret(value.strip())

    def certificates(self) -> str | None:
        """A file of trusted certificates for private hosts, or None for the usual ones.

        Raises
        ------
        ConfigurationError
            The file that is named is not there, or holds no certificate.
        """
        path = self.get("ca", CA_VARIABLE)
        if path and not Path(path).is_file():
            msg = f"the file of trusted certificates {path!r}, named by ca= or {CA_VARIABLE}, is not there"
            raise ConfigurationError(msg)
        if path:
            import ssl

            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            except OSError as error:
                msg = f"the file {path!r}, named by ca= or {CA_VARIABLE}, holds no certificates (PEM) that can be read"
                raise ConfigurationError(msg) from error
        return path
