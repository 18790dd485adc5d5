"""Commands for files of other programs: annotation files, and what older scripts sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.cli.arguments import as_json, opening
from caseferry.cli.given import found_item, open_given
from caseferry.cli.telling import DONE, SOME_FAILED, print_array, print_json, say
from caseferry.errors import ConfigurationError

if TYPE_CHECKING:
    from caseferry.case import Case, Image
    from caseferry.cli.arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add ``annotations read | write | formats`` and ``import-legacy``."""
    files = commands.group(
        "annotations", "read annotations from files of other programs, and write them", "read | write | formats"
    )
    reading = files.add("read", read_file, "print the annotations in a file as JSON")
    reading.add_argument("file", metavar="FILE")
    reading.add_argument(
        "--image", metavar="PATH", required=True, help="the image that it speaks of: a file or a folder"
    )
    reading.add_argument("--role", metavar="ROLE", default="image", help="what the image is called in its case")
    reading.add_argument("--format", metavar="NAME", help="told from the file when left out")
    writing = files.add(
        "write", write_file, "write the annotations of an item to a file, and say what it has no form for", opening()
    )
    writing.add_argument("url", metavar="URL")
    writing.add_argument("item", metavar="ITEM", help="the platform's name for it, or the case's own")
    writing.add_argument("file", metavar="FILE")
    writing.add_argument("--image", metavar="ROLE", dest="role", help="the image, where the case has several")
    writing.add_argument("--format", metavar="NAME", help="told from the file's ending when left out")
    files.add("formats", list_formats, "list the formats", as_json())
    importing = commands.add(
        "import-legacy",
        import_legacy,
        "print what a script sent to an older interface of a platform as cases, or send it again",
        opening(),
    )
    importing.add_argument("file", metavar="FILE", help="the JSON that was sent")
    importing.add_argument("target", metavar="DST", nargs="?", help="send it again to this dataset")
    importing.add_argument("--place", default="", metavar="WHERE", help="folder or bucket URL that its files lie in")
    importing.add_argument(
        "--phi", choices=("refuse", "keep"), help="the files are not looked into: say keep if they may be used"
    )


def read_file(given: Any) -> int:
    """Print the annotations in a file."""
    from caseferry.exchange import read

    image = _image_at(Path(given.image), given.role)
    found = read(given.file, image, format=given.format)
    print_json([each.to_json() for each in found])
    return DONE


def write_file(given: Any) -> int:
    """Write the annotations of an item to a file, and say what it has no form for."""
    from caseferry.exchange import write

    with open_given(given.url, given) as dataset:
        case = found_item(dataset, given.item).case()
        written = write(given.file, case.annotations, _image_of(case, given.role), format=given.format)
    for annotation, what in written.left_out:
        say(f"left out: {annotation.kind} {annotation.label!r}: {what}")
    for annotation, what in written.changed:
        say(f"changed: {annotation.kind} {annotation.label!r}: {what}")
    return DONE


def list_formats(given: Any) -> int:
    """List the formats of annotation files."""
    from caseferry.exchange import formats
    from caseferry.text import table

    rows = []
    for each in formats().values():
        can = " and ".join(word for word, verb in (("read", each.read), ("written", each.write)) if verb)
        rows.append([each.name, each.summary, can, " ".join(each.endings)])
    if given.json:
        keys = ("name", "summary", "can", "endings")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print(table(rows, ["FORMAT", "WHAT IT IS", "IS", "ENDINGS"]))
    return DONE


def import_legacy(given: Any) -> int:
    """Print what an older script sent as cases, or send it again."""
    from caseferry.registry import connector, schemes

    try:
        document = json.loads(Path(given.file).read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{given.file} is no JSON: {error}"
        raise ConfigurationError(msg) from error
    if given.target is None:
        found = (connector(scheme).legacy_cases(document, given.place) for scheme in schemes())
        cases = next((each for each in found if each is not None), None)
        if cases is None:
            msg = f"{given.file} is nothing that an older interface of an installed platform takes"
            raise ConfigurationError(msg)
        print_array([case.to_json() for case in cases])  # all or nothing
        return DONE
    with open_given(given.target, given) as target:
        outcomes = list(target.replay(document, phi=given.phi))
    refused = [(name, reason) for name, reason in outcomes if reason]
    for name, reason in refused:
        print(f"{name}  {reason}")
    say(f"{len(outcomes) - len(refused)} of {len(outcomes)} are registered")
    return SOME_FAILED if refused else DONE


def _image_at(path: Path, role: str) -> Image:
    """The image at a path: of one file, or the only one in a folder."""
    from caseferry.case import Image
    from caseferry.imaging.reading import find_images

    if not path.is_dir():
        return Image(role, path)
    found, _ = find_images(path)
    if len(found) != 1:
        msg = f"{path} holds {len(found)} images, expected one: name its file, or a folder of its own"
        raise ConfigurationError(msg)
    return Image(role, found[0])


def _image_of(case: Case, role: str | None) -> Image:
    roles = [image.role for image in case.images]
    if role is None and len(roles) != 1:
        msg = f"case {case.id} has the images {', '.join(roles) or 'none'}: say which with --image"
        raise ConfigurationError(msg)
    for image in case.images:
        if image.role == (role or roles[0]):
            return image
    msg = f"case {case.id} has no image {role!r}; it has {', '.join(roles) or 'none'}"
    raise ConfigurationError(msg)
