"""The words of errors, and that they survive being sent between processes."""

from __future__ import annotations

import pickle
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.errors import Problem
from caseferry.testing.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MADE: list[tuple[cf.CaseferryError, str]] = [
    (
        cf.MissingCredentials("darwin", ["A", "B"]),
        "darwin: no credentials found; set A and B, name a profile with --profile, or pass them to connect()",
    ),
    (
        cf.MissingDependency("video", "writing videos"),
        "writing videos needs an optional package: pip install 'caseferry[video]'",
    ),
    (cf.InvalidCase("a", [Problem("id", "is bad", "fix it")]), "case 'a' cannot be used: id: is bad; fix it"),
    (cf.InvalidCase(None, [Problem("id", "is bad"), Problem("x", "y")]), "id: is bad\nx: y"),
    (cf.GeometryError("ct", "is skewed"), "ct: is skewed"),
    (cf.GeometryError("ct", "is skewed", case_id="a"), "case 'a' has no usable geometry: ct: is skewed"),
    (cf.IdentifiableData("a", [Problem("x", "y")]), "case 'a' identifies a patient and was not sent: x: y"),
    (cf.Inexpressible("a", [Problem("x", "y")]), "case 'a' cannot be put there: x: y"),
    (cf.UnsupportedOperation("gc", "delete", "ask an editor"), "gc cannot delete; ask an editor"),
    (cf.PlatformError("gc", "list", "no", status=400, request_id="r"), "gc: list answered 400: no (request r)"),
    (cf.PlatformError("gc", "list"), "gc: list"),
    (cf.ItemsBlocked("d", "put", ["a"], {"b": "exists"}), "d: put: refused 1 of 2: b: exists"),
    (cf.ProcessingFailed("d", "put", state="error"), "d: put: ended as 'error'"),
    (cf.IntegrityMismatch("a", ["x", "y"]), "case 'a' reads back differently: x; y"),
]


@pytest.mark.parametrize(("error", "text"), MADE, ids=[type(error).__name__ for error, _ in MADE])
def test_messages(error: cf.CaseferryError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("error", [error for error, _ in MADE], ids=[type(error).__name__ for error, _ in MADE])
def test_errors_go_from_one_process_to_another(error: cf.CaseferryError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_bad_input_is_a_value_error_throughout() -> None:
    assert issubclass(cf.InvalidCase, ValueError)
    assert issubclass(cf.ConfigurationError, ValueError)
    assert issubclass(cf.MissingDependency, ImportError)


# -- optional packages ---------------------------------------------------------------------------------------------


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Act as if packages were not installed."""
    for loaded in list(sys.modules):
        if loaded.partition(".")[0] in names:
            monkeypatch.delitem(sys.modules, loaded)
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def read_store(tmp_path: Path) -> Any:
    return cf.FileRef.of("s3://bucket/key").open()


def make_video(tmp_path: Path) -> Any:
    return Samples(tmp_path).image(cf.Kind.VIDEO)


def start_sandbox(tmp_path: Path) -> Any:
    return import_module("caseferry.sandbox").Sandbox().__enter__()


def open_grand_challenge(tmp_path: Path) -> Any:
    return cf.connect("grand-challenge:a", token="t", url="https://gc.invalid/api/v1/")


@pytest.mark.parametrize(
    ("packages", "use", "extra"),
    [
        (("obstore",), read_store, "storage"),
        (("av",), make_video, "video"),
        (("aiohttp",), start_sandbox, "sandbox"),
        (("gcapi",), open_grand_challenge, "grand-challenge"),
    ],
)
def test_a_missing_package_names_what_to_install(
    packages: tuple[str, ...],
    use: Callable[[Path], Any],
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, *packages)
    for name in [n for n in sys.modules if n.startswith(("caseferry_grand_challenge.client", "caseferry.sandbox"))]:
        monkeypatch.delitem(sys.modules, name)  # loaded when they are first used
    with pytest.raises(cf.MissingDependency) as caught:
        use(tmp_path)
    assert f"pip install 'caseferry[{extra}]'" in str(caught.value)
