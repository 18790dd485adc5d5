"""What people type: the commands of a parser, and the arguments that several of them take."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction
from typing import TYPE_CHECKING, Any, get_args

from caseferry.deidentify import Phi
from caseferry.mapping.unmapped import Unmapped

if TYPE_CHECKING:
    from collections.abc import Callable


class Commands:
    """Commands side by side.

    Parameters
    ----------
    beside : what `ArgumentParser.add_subparsers` gives
    """

    def __init__(self, beside: Any) -> None:
        self._beside = beside

    def add(self, name: str, run: Callable[[Any], int], summary: str, *parents: ArgumentParser) -> ArgumentParser:
        """One command more; what takes its further arguments."""
        added: ArgumentParser = self._beside.add_parser(name, help=summary, description=summary, parents=parents)
        added.set_defaults(run=run)
        return added

    def group(self, name: str, summary: str, shown: str) -> Commands:
        """Commands below one name."""
        group = self._beside.add_parser(name, help=summary, description=summary)
        return Commands(group.add_subparsers(metavar=shown, required=True))

    def add_of_platform(self, scheme: str, run: Callable[[Any], int]) -> None:
        """The commands that only one platform has. It is not shown among the others: most platforms have none."""
        own = self._beside.add_parser(scheme, add_help=False)
        own.add_argument("rest", nargs="...")
        own.set_defaults(run=run, command=scheme)


def as_json() -> ArgumentParser:
    """Of whatever prints a result."""
    parent = ArgumentParser(add_help=False)
    parent.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parent


def opening() -> ArgumentParser:
    """Of whatever opens a dataset."""
    parent = ArgumentParser(add_help=False)
    parent.add_argument("--profile", metavar="NAME", help="credentials and hosts of a profile in the config file")
    parent.add_argument("--mapping", metavar="FILE", help="which role and label is called what on each platform (TOML)")
    return parent


def choosing(target: str = "the dataset to write") -> ArgumentParser:
    """Of whatever looks from one dataset to another.

    Parameters
    ----------
    target : what DST is
    """
    parent = ArgumentParser(add_help=False)
    parent.add_argument("source", metavar="SRC", help="the dataset to read")
    parent.add_argument("target", metavar="DST", help=target)
    add_select(parent)
    return parent


def sending() -> ArgumentParser:
    """Of whatever sends cases, or plans to."""
    parent = ArgumentParser(add_help=False)
    parent.add_argument(
        "--phi",
        choices=get_args(Phi),
        help="cases that identify a patient: refuse them (the default), keep it in their files, or remove it from them",
    )
    parent.add_argument(
        "--strict",
        action="store_true",
        help="refuse cases of which a part would be neither native nor exactly converted at the target",
    )
    parent.add_argument(
        "--unmapped",
        choices=get_args(Unmapped),
        help="labels that the target does not know: stop (the default), create them where the platform can, keep what "
        "has them beside the case (sidecar), or create where it can and else keep beside (accept)",
    )
    parent.add_argument(
        "--create-missing",
        dest="unmapped",
        action="store_const",
        const="create",
        help="the same as --unmapped create: make labels' classes at the target",
    )
    add_overlap(parent)
    return parent


def add_select(parser: ArgumentParser) -> None:
    """The choice of cases by their names."""
    parser.add_argument(
        "--select",
        action="append",
        metavar="PATTERN",
        help="only cases whose name matches, as in 'LIDC-*'; or those named in a file, one a line: @FILE; repeatable",
    )


def add_overlap(parser: ArgumentParser) -> None:
    """What becomes of voxels that several masks share."""
    parser.add_argument(
        "--overlap",
        metavar="HOW",
        help="masks that share voxels: put each whole (apart, the default), or flatten them: the first or the last of "
        "the case keeps what is shared, or the labels that are named, as in 'tumour,liver'",
    )


def add_workers(parser: ArgumentParser, usual: int) -> None:
    """How many cases are under way at once."""
    parser.add_argument(
        "--workers", type=int, default=usual, metavar="N", help=f"cases under way at once (default {usual})"
    )


def add_running(parser: ArgumentParser, *, workers: int, verify: bool, verify_help: str) -> None:
    """The arguments of whatever sends many cases, and can be gone on with."""
    parser.set_defaults(again="the same command goes on from here")
    parser.add_argument("--journal", metavar="FILE", help="makes it resumable (SQLite); made when missing")
    add_workers(parser, workers)
    parser.add_argument("--dry-run", action="store_true", help="plan every case and send nothing")
    parser.add_argument("--verify", action=BooleanOptionalAction, default=verify, help=verify_help)
