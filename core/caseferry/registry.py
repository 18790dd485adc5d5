"""Finding connectors and opening datasets by their URLs: ``scheme:name?option=value``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from caseferry.errors import ConfigurationError
from caseferry.installed import entry_points_of_connectors, schemes

if TYPE_CHECKING:
    from contextlib import ExitStack

    from caseferry.connector import Connector, Dataset

__all__ = ["DatasetURL", "connect", "connector", "list_datasets", "opened_here", "schemes"]


@dataclass(frozen=True, slots=True)
class DatasetURL:
    """The parts of a dataset's URL.

    Attributes
    ----------
    scheme : names the connector
    name : the dataset, in the platform's own words; empty for the platform as a whole
    options : what stands after ``?``
    """

    scheme: str
    name: str
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> DatasetURL:
        """Read a URL.

        Raises
        ------
        ConfigurationError
            It is not of the form ``scheme:name?option=value``.
        """
        scheme, colon, rest = text.partition(":")
        if not colon or not scheme or "/" in scheme or "\\" in scheme or len(scheme) == 1:
            msg = f"{text!r} is not the URL of a dataset; expected SCHEME:NAME, for example local:./cases"
            raise ConfigurationError(msg)
        name, _, query = rest.partition("?")
        try:
            options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        except ValueError as error:
            msg = f"the options of {text!r} cannot be read; expected ?name=value&name=value"
            raise ConfigurationError(msg) from error
        if "\0" in unquote(name):
            msg = "the URL of a dataset holds a NUL character"
            raise ConfigurationError(msg)
        return cls(scheme, unquote(name), options)


def connector(scheme: str) -> type[Connector]:
    """The connector of a scheme.

    Raises
    ------
    ConfigurationError
        No installed connector has the scheme.
    """
    found = entry_points_of_connectors().get(scheme)
    if found is None:
        msg = f"unknown scheme {scheme!r}; installed connectors: {', '.join(schemes())}"
        raise ConfigurationError(msg)
    loaded: type[Connector] = found.load()
    return loaded


def connect(url: str, /, **options: Any) -> Dataset:
    """Open a dataset.

    Parameters
    ----------
    url : ``local:PATH``, ``grand-challenge:ARCHIVE``, ``datamint:PROJECT``, ``darwin:TEAM/DATASET``, with options
        after ``?``
    options : the same options as arguments, and: credentials and hosts by the names that the connector documents;
        ``profile``, ``mapping`` (a path or a dict), ``phi`` (``refuse``, ``keep`` or ``remove``), ``unmapped``,
        ``overlap`` (masks that share voxels: see `caseferry.mapping.overlap`), ``ca``

    Raises
    ------
    ConfigurationError
        The URL, the scheme or an option cannot be used.
    MissingCredentials
        The platform needs credentials and none were found.
    AuthenticationFailed, NotFound, PermissionDenied
        The platform does not accept them, or has no such dataset.
    """
    parsed = DatasetURL.parse(url)
    if not parsed.name:
        msg = f"{url!r} names no dataset; 'caseferry ls {parsed.scheme}:' lists them"
        raise ConfigurationError(msg)
    return connector(parsed.scheme)(**{**parsed.options, **options}).open(parsed.name)


def opened_here(dataset: Dataset | str, stack: ExitStack) -> Dataset:
    """A dataset that was opened before, or one that is opened from its URL and closed with the stack."""
    return stack.enter_context(connect(dataset)) if isinstance(dataset, str) else dataset


def list_datasets(scheme: str, **options: Any) -> list[str]:
    """The URLs of all datasets of a platform that the credentials can see."""
    return list(connector(scheme)(**options).datasets())
