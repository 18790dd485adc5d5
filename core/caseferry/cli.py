"""The command line: what people type, and which exit code they get.

0: all done. 1: some cases failed, each named with its reason. 2: wrong use or bad input, and nothing was sent.
130: interrupted; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from caseferry import commands, file_commands
from caseferry.commands import DONE, NOTHING_SENT, SOME_FAILED, say
from caseferry.errors import CaseferryError
from caseferry.mapping.unmapped import Unmapped
from caseferry.transfers.outcome import TransferIncomplete

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130

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
        with _Interruptible(given.grace, _interrupted(given), whole_process=arguments is None):
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


class _Interruptible:
    """Makes SIGTERM end a command as Ctrl-C does, a second signal end it at once, and a stuck line hold up neither.

    Parameters
    ----------
    grace : seconds that the command has to come to its end after a signal; None for as long as it takes
    words : said when it had to be ended before it came to its end
    whole_process : whether the process ends when the command does
    """

    def __init__(self, grace: float | None, words: str, *, whole_process: bool) -> None:
        self._grace = grace
        self._words = words
        self._whole_process = whole_process
        self._before: dict[int, Any] = {}
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        with suppress(ValueError):  # not in the main thread: whoever runs us there has handlers of its own
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._first)

    def _first(self, number: int, frame: object) -> NoReturn:
        for each in self._before:
            signal.signal(each, self._second)
        if self._grace is not None:
            self._timer = threading.Timer(self._grace, self._leave)
            self._timer.daemon = True
            self._timer.start()
        raise KeyboardInterrupt

    def _second(self, number: int, frame: object) -> NoReturn:
        self._leave()

    def _leave(self) -> NoReturn:
        """End the process at once, whatever is under way."""
        shown = "\x1b[?25h\n" if os.isatty(2) else ""  # a bar has hidden the cursor
        os.write(2, f"{shown}caseferry: {self._words}\n".encode())
        os._exit(INTERRUPTED)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._timer is not None and not self._whole_process:
            self._timer.cancel()


def _print_nowhere() -> None:
    """Let whatever is still printed be lost: whoever read it has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# -- arguments -----------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(
        prog="caseferry",
        description="Move annotated medical imaging cases between platforms, with nothing lost.",
        epilog="Datasets have URLs: local:PATH, grand-challenge:ARCHIVE, datamint:PROJECT, darwin:TEAM/DATASET.",
    )
    parser.add_argument("--version", action="version", version=f"caseferry {version('caseferry')}")
    parser.set_defaults(run=None, grace=GRACE, again="")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON instead of text")
    opening = argparse.ArgumentParser(add_help=False)
    opening.add_argument("--profile", metavar="NAME", help="credentials and hosts of a profile in the config file")
    opening.add_argument(
        "--mapping", metavar="FILE", help="which role and label is called what on each platform (TOML)"
    )
    choosing = argparse.ArgumentParser(add_help=False)
    choosing.add_argument("source", metavar="SRC", help="the dataset to read")
    choosing.add_argument("target", metavar="DST", help="the dataset to write")
    choosing.add_argument(
        "--select",
        action="append",
        metavar="PATTERN",
        help="only cases whose name matches, as in 'LIDC-*'; or those named in a file, one a line: @FILE; repeatable",
    )
    sending = _sending()

    def command(name: str, run: Callable[[Any], int], summary: str, *parents: argparse.ArgumentParser) -> Any:
        added = verbs.add_parser(name, help=summary, description=summary, parents=parents)
        added.set_defaults(run=run)
        return added

    demo = command("demo", commands.demo, "move real scans through all platforms, without account or internet")
    demo.add_argument("--folder", metavar="DIR", type=Path, help="where to put what is made (a new folder by default)")

    ls = command(
        "ls", commands.ls, "list the cases of a dataset, or the datasets of a platform (SCHEME:)", opening, as_json
    )
    ls.add_argument("url", metavar="URL")

    show = command("show", commands.show, "show one case", opening, as_json)
    show.add_argument("url", metavar="URL")
    show.add_argument("item", metavar="ITEM", help="the platform's name for it, or the case's own")

    command("plan", commands.plan, "show what a transfer would do, case by case", choosing, sending, opening, as_json)

    transfer = command(
        "transfer", commands.transfer, "bring every case to the target, once", choosing, sending, opening, as_json
    )
    transfer.set_defaults(again="the same command goes on from here")
    transfer.add_argument("--journal", metavar="FILE", help="makes the transfer resumable (SQLite); made when missing")
    transfer.add_argument("--workers", type=int, default=8, metavar="N", help="cases under way at once (default 8)")
    _add_syncing(transfer)
    transfer.add_argument("--dry-run", action="store_true", help="plan every case and send nothing")
    transfer.add_argument(
        "--verify", action=argparse.BooleanOptionalAction, default=True, help="read every case back and compare"
    )

    _add_registering(command, sending, opening, as_json)
    _add_files(command, verbs, opening, as_json)

    status = command("status", commands.status, "what a journal says of its transfer", as_json)
    status.add_argument("journal", metavar="JOURNAL")

    _add_verifying(command, choosing, opening, as_json)

    sandbox = command("sandbox", commands.sandbox, "serve stand-ins of the platforms on this machine until interrupted")
    sandbox.set_defaults(grace=None)
    sandbox.add_argument("--port", type=int, default=0, help="the first of the ports to serve on; 0 takes free ones")
    sandbox.add_argument("--seed-data", metavar="DIR", help="put the cases of a folder on every platform first")
    sandbox.add_argument("--latency", type=float, default=0, metavar="MS", help="milliseconds added to each answer")
    sandbox.add_argument("--processing", type=float, default=0, metavar="S", help="seconds that conversions take")
    sandbox.add_argument("--faults", default="", metavar="SPEC", help="faults, as in 'POST * 503 p0.1; PUT * 429=2 x3'")
    sandbox.add_argument("--state", metavar="DIR", type=Path, help="keep what is put there over restarts")

    _add_setting_up(command, verbs, choosing, opening, as_json)
    return parser


def _sending() -> argparse.ArgumentParser:
    """The arguments of whatever sends cases."""
    sending = argparse.ArgumentParser(add_help=False)
    sending.add_argument(
        "--phi",
        choices=("refuse", "keep", "remove"),
        help="cases that identify a patient: refuse them (the default), keep it in their files, or remove it from them",
    )
    sending.add_argument(
        "--strict",
        action="store_true",
        help="refuse cases of which a part would be neither native nor exactly converted at the target",
    )
    sending.add_argument(
        "--unmapped",
        choices=get_args(Unmapped),
        help="labels that the target does not know: stop (the default), create them where the platform can, keep what "
        "has them beside the case (sidecar), or create where it can and else keep beside (accept)",
    )
    sending.add_argument(
        "--create-missing",
        dest="unmapped",
        action="store_const",
        const="create",
        help="the same as --unmapped create: make labels' classes at the target",
    )
    return sending


def _add_syncing(transfer: argparse.ArgumentParser) -> None:
    """The options for bringing annotations alone."""
    transfer.add_argument(
        "--annotations-only",
        action="store_true",
        help="bring annotations that were made or changed later to cases that are there already",
    )
    transfer.add_argument(
        "--overwrite",
        action="store_true",
        help="with --annotations-only: the source counts where both sides changed one, and its deletions are brought",
    )


def _add_registering(command: Callable[..., Any], *parents: argparse.ArgumentParser) -> None:
    """The command that registers what lies in an object store."""
    register = command(
        "register",
        commands.register,
        "register what lies below a prefix of an object store where it lies, each series or image as a case",
        *parents,
    )
    register.set_defaults(again="the same command goes on from here")
    register.add_argument("prefix", metavar="PREFIX", help="s3://BUCKET/PREFIX/, gs://… or az://…")
    register.add_argument("target", metavar="DST", help="the dataset, with its storage on that bucket")
    register.add_argument("--select", action="append", metavar="PATTERN", help="only cases whose name matches")
    register.add_argument("--journal", metavar="FILE", help="makes it resumable (SQLite); made when missing")
    register.add_argument("--workers", type=int, default=32, metavar="N", help="cases under way at once (default 32)")
    register.add_argument("--dry-run", action="store_true", help="plan every case and send nothing")
    register.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="read every case back, bytes and all, and compare (off: the bytes stay where they are)",
    )


def _add_setting_up(
    command: Callable[..., Any],
    verbs: Any,
    choosing: argparse.ArgumentParser,
    opening: argparse.ArgumentParser,
    as_json: argparse.ArgumentParser,
) -> None:
    """The commands for whoever sets a platform up."""
    from caseferry.registry import schemes

    doctor = command("doctor", commands.doctor, "find out why a dataset cannot be used", opening, as_json)
    doctor.add_argument("url", metavar="URL")
    summary = "begin a mapping of names"
    mapping = verbs.add_parser("mapping", help=summary, description=summary)
    summary = "print a first mapping from the names in the cases of SRC and what is there in DST"
    init = mapping.add_subparsers(metavar="init", required=True).add_parser(
        "init", help=summary, description=summary, parents=[choosing, opening]
    )
    init.set_defaults(run=commands.mapping_init)
    command("connectors", commands.connectors, "list the platforms that are installed", as_json)
    for scheme in schemes():
        own = verbs.add_parser(scheme, add_help=False)  # not shown among the commands: most platforms have none
        own.add_argument("rest", nargs=argparse.REMAINDER)
        own.set_defaults(run=commands.own, command=scheme)


def _add_verifying(command: Callable[..., Any], *parents: argparse.ArgumentParser) -> None:
    """The command that compares."""
    verify = command("verify", commands.verify, "compare every case of two datasets", *parents)
    verify.add_argument(
        "--phi", choices=("refuse", "keep", "remove"), help="as the transfer had it: after remove, files have changed"
    )
    verify.add_argument("--workers", type=int, default=8, metavar="N", help="cases under way at once (default 8)")


def _add_files(
    command: Callable[..., Any], verbs: Any, opening: argparse.ArgumentParser, as_json: argparse.ArgumentParser
) -> None:
    """The commands that read what other programs wrote, or write for them."""
    _add_importing(command, opening)
    _add_annotation_files(verbs, opening, as_json)


def _add_importing(command: Callable[..., Any], *parents: argparse.ArgumentParser) -> None:
    """The command that reads what older scripts sent."""
    summary = "print what a script sent to an older interface of a platform as cases, or send it again"
    importing = command("import-legacy", commands.import_legacy, summary, *parents)
    importing.add_argument("file", metavar="FILE", help="the JSON that was sent")
    importing.add_argument("target", metavar="DST", nargs="?", help="send it again to this dataset")
    importing.add_argument("--place", default="", metavar="WHERE", help="folder or bucket URL that its files lie in")
    importing.add_argument(
        "--phi", choices=("refuse", "keep"), help="the files are not looked into: say keep if they may be used"
    )


def _add_annotation_files(verbs: Any, opening: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    """The commands that read and write files of annotations."""
    summary = "read annotations from files of other programs, and write them"
    annotations = verbs.add_parser("annotations", help=summary, description=summary)
    kinds = annotations.add_subparsers(metavar="read | write | formats", required=True)
    summary = "print the annotations in a file as JSON"
    read = kinds.add_parser("read", help=summary, description=summary)
    read.set_defaults(run=file_commands.read_file)
    read.add_argument("file", metavar="FILE")
    read.add_argument("--image", metavar="PATH", required=True, help="the image that it speaks of: a file or a folder")
    read.add_argument("--role", metavar="ROLE", default="image", help="what the image is called in its case")
    read.add_argument("--format", metavar="NAME", help="told from the file when left out")
    summary = "write the annotations of an item to a file, and say what it has no form for"
    write = kinds.add_parser("write", help=summary, description=summary, parents=[opening])
    write.set_defaults(run=file_commands.write_file)
    write.add_argument("url", metavar="URL")
    write.add_argument("item", metavar="ITEM", help="the platform's name for it, or the case's own")
    write.add_argument("file", metavar="FILE")
    write.add_argument("--image", metavar="ROLE", dest="role", help="the image, where the case has several")
    write.add_argument("--format", metavar="NAME", help="told from the file's ending when left out")
    summary = "list the formats"
    listing = kinds.add_parser("formats", help=summary, description=summary, parents=[as_json])
    listing.set_defaults(run=file_commands.list_formats)
