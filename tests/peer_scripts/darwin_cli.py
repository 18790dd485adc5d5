"""Run darwin-py's command line: `darwin_cli.py ANSWER ARGUMENT...`, the answer being given to its questions."""

import contextlib
import io
import json
import sys
import traceback

from darwin.cli import main

answer, *arguments = sys.argv[1:]
sys.argv[:] = ["darwin", *arguments]
sys.stdin = io.StringIO(f"{answer}\n" * 4)
out, err = io.StringIO(), io.StringIO()
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    try:
        code = main() or 0
    except SystemExit as ended:
        code = ended.code or 0
    except Exception:  # noqa: BLE001  as the interpreter itself does with what nobody catches
        traceback.print_exc()
        code = 1
print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}))
