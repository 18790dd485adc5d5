"""Import a client once and run scripts in copies of this process: `warm.py MODULE...`.

Each line of the standard input is a task, answered by its exit code. What the client needs stays imported; the
client's own modules are forgotten, so that each script imports them anew in its own environment and folder.
"""

import importlib
import json
import os
import runpy
import signal
import sys


def warm(names):
    """Import modules and forget all of their packages, and what these feign: only what they need stays."""
    finders = list(sys.meta_path)
    for name in names:
        importlib.import_module(name)
    sys.meta_path[:] = finders
    own = {name.partition(".")[0] for name in names}
    for name, module in list(sys.modules.items()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if name.partition(".")[0] in own or type(loader).__module__ in own:
            del sys.modules[name]


def enter(task):
    """Give this process what a process that was started for the task would have."""
    signal.alarm(task["seconds"])
    for number, path in enumerate((os.devnull, task["out"], task["err"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(task["environment"])
    os.chdir(task["folder"])
    sys.argv[:] = task["command"]


warm(sys.argv[1:])
while line := sys.stdin.readline():
    copy = os.fork()
    if copy == 0:
        enter(json.loads(line))
        runpy.run_path(sys.argv[0], run_name="__main__")
        break
    print(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]), flush=True)
