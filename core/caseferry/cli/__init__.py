"""The command line: what people type, and which exit code they get; see `caseferry.cli.telling`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from caseferry.cli import files, looking, moving, setting_up, trying
from caseferry.cli.arguments import Commands
from caseferry.cli.interruption import Interruptible
from caseferry.cli.telling import DONE, INTERRUPTED, NOTHING_SENT, SOME_FAILED, say
from caseferry.errors import CaseferryError
from caseferry.transfers.outcome import TransferIncomplete

if TYPE_CHECKING:
    from collections.abc import Sequence


GRACE = 1.5
"""Seconds after Ctrl-C that what is under way has to come to its end. The journal allows to end at any moment."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code.

    Parameters
    ----------
    arguments : without the program's name; those of the process when None
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.run is None:
        parser.print_help()
        return NOTHING_SENT
    try:
        with Interruptible(given.grace, _interrupted(given), whole_process=arguments is None):
            code: int = given.run(given)
            try:
                sys.stdout.flush()
            except BrokenPipeError:
                _print_nowhere()
            return code
    except KeyboardInterrupt:
        say(_interrupted(given))
        return INTERRUPTED
    except TransferIncomplete as error:
        say(str(error))
        return SOME_FAILED
    except CaseferryError as error:
        say(f"error: {error}")
        return NOTHING_SENT
    except BrokenPipeError:
        _print_nowhere()
        return DONE
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        say(f"error: {error.strerror or error}{where}")
        return NOTHING_SENT


def _interrupted(given: Any) -> str:
    """What is said of a command that was interrupted."""
    return "interrupted" + (f"; {given.again}" if given.again else "")


def _print_nowhere() -> None:
    """Let whatever is still printed be lost: whoever read it has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(ArgumentParser):
    """Takes options by their whole names alone: what a beginning of one is short for may change."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)


def _parser() -> ArgumentParser:
    parser = _Parser(
        prog="caseferry",
        description="Move annotated medical imaging cases between platforms, with nothing lost.",
        epilog="Datasets have URLs: local:PATH, grand-challenge:ARCHIVE, datamint:PROJECT, darwin:TEAM/DATASET.",
    )
    parser.add_argument("--version", action="version", version=f"caseferry {version('caseferry')}")
    parser.set_defaults(run=None, grace=GRACE, again="")
    commands = Commands(parser.add_subparsers(title="commands", metavar="COMMAND"))
    for family in (trying, looking, moving, files, setting_up):
        family.add_commands(commands)
    return parser
