"""Whether pages in a browser may read what lies in an object store, asked as browsers ask: by a preflight (CORS).

It needs no credentials. Settings of private servers count, as they do for reading; see `caseferry.files.objects`.
"""

from __future__ import annotations

import json
import os

import requests

from caseferry.files.objects import StorageError

SECONDS = 10
"""How long a store may take to answer."""

ANSWERS = {400, 403}
"""Statuses by which stores refuse a preflight; others say nothing of it."""

KEY = "caseferry-preflight"
"""Asked for; it need not be there, since stores answer for the bucket."""


def shows_in_browser(address: str, origin: str, method: str = "GET") -> bool:
    """Whether a bucket lets pages of an origin read its objects.

    Parameters
    ----------
    address : ``s3://bucket``, ``gs://bucket``, ``az://container``
    origin : of the pages, such as ``https://darwin.v7labs.com``
    method : that they use

    Raises
    ------
    StorageError
        It could not be asked: its web address is not known from here, it does not answer, or it is not there.

    Source
    ------
    The Fetch standard, "CORS-preflight fetch".
    """
    url = web_address(address, KEY)
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    try:
        with requests.options(url, headers=headers, timeout=SECONDS, stream=True) as answer:
            status, said = answer.status_code, answer.headers
    except requests.RequestException as error:
        msg = f"{address}: {url.removesuffix(f'/{KEY}')} does not answer a preflight: {type(error).__name__}"
        raise StorageError(msg) from error
    if not 200 <= status < 300 and status not in ANSWERS:
        msg = f"{address}: a preflight is answered with {status}, which says nothing of it"
        raise StorageError(msg)
    methods = {each.strip().upper() for each in said.get("Access-Control-Allow-Methods", "").split(",")}
    allowed = said.get("Access-Control-Allow-Origin") in {origin, "*"} and bool(methods & {method, "*"})
    return status not in ANSWERS and allowed


def web_address(address: str, key: str) -> str:
    """Where browsers find an object.

    Raises
    ------
    StorageError
        The store's own address is not known from here.
    """
    scheme, _, host = address.rstrip("/").partition("://")
    if scheme in {"s3", "s3a"}:
        own = _first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
        return f"{own}/{host}/{key}" if own else f"https://{host}.s3.amazonaws.com/{key}"
    if scheme == "gs":
        return f"{_google() or 'https://storage.googleapis.com'}/{host}/{key}"
    container, _, account = host.partition("@")
    account = account.partition(".")[0] or _first("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
    if _first("AZURE_STORAGE_USE_EMULATOR", "AZURE_USE_EMULATOR").lower() in {"true", "1"}:
        emulator = _first("AZURITE_BLOB_STORAGE_URL") or "http://127.0.0.1:10000"
        return f"{emulator}/{account or 'devstoreaccount1'}/{container}/{key}"
    if own := _first("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"):
        return f"{own}/{container}/{key}"
    if account:
        return f"https://{account}.blob.core.windows.net/{container}/{key}"
    msg = f"{address}: the storage account is not known here; set AZURE_STORAGE_ACCOUNT_NAME"
    raise StorageError(msg)


def _first(*names: str) -> str:
    """The first of some variables that is set."""
    return next((os.environ[name].rstrip("/") for name in names if os.environ.get(name)), "")


def _google() -> str:
    """The address of a private server that speaks as Google does; empty for Google's own."""
    try:
        account = json.loads(os.environ.get("GOOGLE_SERVICE_ACCOUNT_KEY") or "{}")
    except ValueError:
        return ""
    return str(account.get("gcs_base_url") or "").rstrip("/") if isinstance(account, dict) else ""
