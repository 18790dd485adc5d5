"""From a client of gcapi that is there already to caseferry.

Its host, its token and the certificates that it trusts are taken over. It sends nothing itself: gcapi repeats requests
that make things, so that an item could come twice.
"""

from __future__ import annotations

import atexit
import functools
import ssl
import tempfile
from pathlib import Path
from typing import Any, Literal

from caseferry.config import Secret
from caseferry.errors import ConfigurationError
from caseferry_grand_challenge.client import GrandChallengeClient
from caseferry_grand_challenge.connector import GrandChallengeConnector


def from_client(client: Any, **options: Any) -> GrandChallengeConnector:
    """What a client that is there already can see.

    >>> import gcapi                                                        # doctest: +SKIP
    >>> from caseferry_grand_challenge import from_client                   # doctest: +SKIP
    >>> archive = from_client(gcapi.Client()).open("coronacases")           # doctest: +SKIP

    Parameters
    ----------
    client : a ``gcapi.Client``
    options : as `GrandChallengeConnector` has them, without ``url``, ``token`` and ``ca``

    Raises
    ------
    ConfigurationError
        It is none, or an option is not known or says what the client says.
    """
    url, header = getattr(client, "base_url", None), getattr(client, "_auth_header", None)
    if url is None or not isinstance(header, dict) or not header.get("Authorization"):
        msg = f"{type(client).__name__} is no client of Grand Challenge: expected a gcapi.Client"
        raise ConfigurationError(msg)
    said = sorted({"url", "token", "ca", "profile"} & set(options))
    if said:
        msg = f"{', '.join(said)} cannot be given beside a client, which has its own"
        raise ConfigurationError(msg)
    token = Secret(str(header["Authorization"]).rpartition(" ")[2])
    return _Adopted(str(url), token, _trusted(client), options)


class _Adopted(GrandChallengeConnector):
    """Opens datasets as somebody's client does."""

    def __init__(self, url: str, token: Secret, verify: str | Literal[False] | None, options: dict[str, Any]) -> None:
        super().__init__(**options)
        self._access = (url, token, verify)

    def _client(self) -> GrandChallengeClient:
        return GrandChallengeClient(*self._access, connections=64)


def _trusted(client: Any) -> str | Literal[False] | None:
    """A file of the certificates that a client trusts; None for the usual ones, False when it trusts whatever answers.

    httpx gives no way to ask for them but its own parts.
    """
    pool = getattr(getattr(client, "_transport", None), "_pool", None)
    context = getattr(pool, "_ssl_context", None)
    if not isinstance(context, ssl.SSLContext):
        return None
    if context.verify_mode is ssl.CERT_NONE:
        return False
    certificates = context.get_ca_certs(binary_form=True)
    return _file_of("".join(map(ssl.DER_cert_to_PEM_cert, certificates))) if certificates else None


@functools.cache
def _file_of(certificates: str) -> str:
    """Certificates as a file, until the process ends."""
    with tempfile.NamedTemporaryFile("w", prefix="caseferry-", suffix=".pem", delete=False) as out:
        out.write(certificates)
    atexit.register(Path(out.name).unlink, missing_ok=True)
    return out.name
