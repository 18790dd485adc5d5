"""URLs of datasets, and finding connectors."""

from __future__ import annotations

from typing import Any

import pytest

import caseferry as cf
from caseferry.registry import DatasetURL, connector, schemes


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("local:./cases", ("local", "./cases", {})),
        ("darwin:my-team/my-dataset?storage=my-bucket", ("darwin", "my-team/my-dataset", {"storage": "my-bucket"})),
        (
            "datamint:covid%20x?channel=gc&publish=",
            ("datamint", "covid x", {"channel": "gc", "publish": ""}),
        ),
        ("grand-challenge:", ("grand-challenge", "", {})),
        ("local:C:\\cases", ("local", "C:\\cases", {})),
        ("local:/a/%C3%BC", ("local", "/a/ü", {})),
    ],
)
def test_urls(text: str, parts: tuple[str, str, dict[str, str]]) -> None:
    assert DatasetURL.parse(text) == DatasetURL(*parts)


@pytest.mark.parametrize("text", ["", "cases", ":x", "./a:b", "C:\\cases", "a/b:c"])
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(cf.ConfigurationError) as caught:
        cf.connect(text)
    assert str(caught.value) == f"{text!r} is not the URL of a dataset; expected SCHEME:NAME, for example local:./cases"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("xnat:project", {}, "unknown scheme 'xnat'; installed connectors: darwin, datamint, grand-challenge, local"),
        ("local:", {}, "'local:' names no dataset; 'caseferry ls local:' lists them"),
        ("local:a%00b", {}, "the URL of a dataset holds a NUL character"),
        ("local:a?b", {}, "the options of 'local:a?b' cannot be read; expected ?name=value&name=value"),
        ("local:a?colour=red", {}, "local has no option colour; known are "),
        ("local:a", {"colour": "red"}, "local has no option colour; known are "),
        ("local:a?phi=hide", {}, "phi is 'hide', expected one of 'refuse', 'keep', 'remove'"),
        ("local:a", {"mapping": "/no/such.toml"}, "the mapping '/no/such.toml' cannot be read: "),
    ],
)
def test_what_cannot_be_opened(text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(cf.ConfigurationError) as caught:
        cf.connect(text, **options)
    assert str(caught.value).startswith(message)


def test_every_connector_says_what_it_is() -> None:
    assert {"local", "grand-challenge", "datamint", "darwin"} <= set(schemes())
    for scheme in schemes():
        found = connector(scheme)
        assert found.scheme == scheme
        assert found.summary
        assert set(found.describe().to_json()) >= {"verbs", "images", "annotations"}
