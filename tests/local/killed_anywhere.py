"""Puts a case again and again, each time killed one step later, and looks at what is left. Prints what went wrong.

A step is whatever changes the disk: a file opened for writing, a directory made, something renamed or removed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import caseferry as cf
from caseferry.files import FileRef

root = Path(sys.argv[1])
STEPS = {"os.mkdir", "os.rename", "os.rmdir", "os.remove", "shutil.rmtree"}


def case() -> cf.Case:
    files = [cf.Attachment(f"file {n}", FileRef.of_bytes(bytes([n]) * 3000, f"{n}.bin")) for n in range(3)]
    return cf.Case(id="killed", values={"a": 1}, attachments=files, tags=["x"])


def put(step: int) -> None:
    """Put the case in a process of its own that dies at a step; 0 lets it live."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    left = [step]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (event in STEPS or writes) and str(root) in str(arguments[0]):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)

    sys.addaudithook(watch)
    try:
        with cf.connect(f"local:{root}") as folder:
            folder.put(case())
        (root.parent / "ended").touch()
    finally:
        os._exit(0)


with cf.connect(f"local:{root}") as folder:
    wanted = folder.sealed(case())
wrong: list[str] = []
step = 0
while True:
    step += 1
    shutil.rmtree(root, ignore_errors=True)
    ended = root.parent / "ended"
    ended.unlink(missing_ok=True)
    put(step)
    lived = ended.exists()
    with cf.connect(f"local:{root}") as folder:
        seen = [item.case() for item in folder.items()] if root.is_dir() else []
        if any(each.values != wanted.values or len(each.attachments) != 3 for each in seen):
            wrong.append(f"step {step}: half a case is visible")
        put(0)
        items = list(folder.items())
        if len(items) != 1:
            wrong.append(f"step {step}: {len(items)} cases after the second attempt")
        elif [a.file.read() for a in items[0].case().attachments] != [bytes([n]) * 3000 for n in range(3)]:
            wrong.append(f"step {step}: other bytes after the second attempt")
    names = sorted(path.name for path in root.iterdir())
    if set(names) - {".caseferry-incoming"} != {"killed"}:
        wrong.append(f"step {step}: {names} is left")
    if list(root.glob(".caseferry-incoming/**/*.bin")):
        wrong.append(f"step {step}: files are left aside")
    if lived:
        break
print(json.dumps({"steps": step, "wrong": wrong}))
