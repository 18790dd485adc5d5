"""Run darwin-py's command line: `darwin_cli.py ANSWER ARGUMENT...`, the answer being given to its questions."""

import json
import subprocess
import sys
from pathlib import Path

done = subprocess.run(
    [str(Path(sys.executable).with_name("darwin")), *sys.argv[2:]],
    input=f"{sys.argv[1]}\n" * 4,
    capture_output=True,
    text=True,
    check=False,
)
print(json.dumps({"code": done.returncode, "out": done.stdout, "err": done.stderr}))
