"""From a client of Datamint's own SDK to caseferry.

The SDK itself is not imported and sends nothing: its host, its key and its TLS settings are taken over, and files are
streamed as they are, which the SDK does not do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from caseferry.config import Secret, Settings
from caseferry.errors import ConfigurationError
from caseferry_datamint.client import DatamintClient
from caseferry_datamint.entrance import Datamint


def from_sdk(api: Any) -> Datamint:
    """The account of a client that is there already.

    >>> from datamint import Api                                        # doctest: +SKIP
    >>> from caseferry_datamint import from_sdk                         # doctest: +SKIP
    >>> dataset = from_sdk(Api()).open("covid-reading")                 # doctest: +SKIP

    Parameters
    ----------
    api : a ``datamint.Api``, or a ``datamint.APIHandler`` of the years before

    Raises
    ------
    ConfigurationError
        It is neither, or the certificates that it trusts cannot be read.
    """
    config = getattr(api, "config", None)
    url = getattr(config, "server_url", None) or getattr(api, "root_url", None)
    key = getattr(config, "api_key", None) or getattr(api, "api_key", None)
    if not isinstance(url, str) or not isinstance(key, str):
        msg = f"{type(api).__name__} is no client of Datamint: expected a datamint.Api or a datamint.APIHandler"
        raise ConfigurationError(msg)
    port = getattr(config, "port", None)
    return Datamint(client=DatamintClient(_with_port(url, port), Secret(key), _verify(api, config)))


def _with_port(url: str, port: object) -> str:
    """An address with the port that is told beside it, when there is one."""
    if port is None:
        return url
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return parts._replace(netloc=f"{host}:{port}").geturl()


def _verify(api: Any, config: Any) -> str | Literal[False] | None:
    """What the client trusts: a file of certificates; None for the usual ones; False for whatever comes."""
    trusted = getattr(config, "verify_ssl", True)
    if trusted is False:
        return False
    if trusted is True:
        usual = os.environ.get("SSL_CERT_FILE") if config is not None else None  # as httpx, by which an Api asks
        return usual if usual and Path(usual).is_file() else None
    if not isinstance(trusted, str | os.PathLike):
        msg = (
            f"verify_ssl of {type(api).__name__} is of type {type(trusted).__name__}, expected a truth value or a path"
        )
        raise ConfigurationError(msg)
    return Settings("datamint", {"ca": os.fspath(trusted)}, {}).certificates()
