"""From a client of Datamint's own SDK to caseferry.

The SDK itself is not imported and sends nothing: its host, its key and its TLS settings are taken over, and files are
streamed as they are, which the SDK does not do.
"""

from __future__ import annotations

from typing import Any, Literal

from caseferry.config import Secret
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
        It is neither.
    """
    config = getattr(api, "config", None)
    url = getattr(config, "server_url", None) or getattr(api, "root_url", None)
    key = getattr(config, "api_key", None) or getattr(api, "api_key", None)
    if not isinstance(url, str) or not isinstance(key, str):
        msg = f"{type(api).__name__} is no client of Datamint: expected a datamint.Api or a datamint.APIHandler"
        raise ConfigurationError(msg)
    trusted = getattr(config, "verify_ssl", True)
    verify: str | Literal[False] | None = False if trusted is False else None if trusted is True else str(trusted)
    return Datamint(client=DatamintClient(url, Secret(key), verify))
