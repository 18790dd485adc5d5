"""Transfer with caseferry: `caseferry_transfer.py SOURCE TARGET WORKERS VERIFY`."""

import sys

from stopwatch import Stopwatch, load_all

import caseferry as cf

source, target, workers, verify = sys.argv[1:]
load_all()
watch = Stopwatch()
report = cf.transfer(source, target, workers=int(workers), verify=verify == "verify")
watch.stop(items=report.arrived, errors=0 if report.ok else 1, said=str(report))
