"""Register pictures with caseferry: `caseferry_register.py DATASET COUNT BATCH WORKERS send|plan`."""

import sys

from external import BUCKET, imagine
from stopwatch import Stopwatch, load_all

import caseferry as cf
from caseferry.storage.prefix import Prefix
from caseferry_darwin import connector

url, count, batch, workers, what = sys.argv[1:]
connector.REGISTRATIONS_A_MINUTE = 0  # the guide's loop keeps to no limit either
imagine(int(count))
load_all()
watch = Stopwatch()
mapping = {"darwin": {"batch": batch}}
source = Prefix(f"s3://{BUCKET}/study/")
with cf.connect(url, storage=BUCKET, mapping=mapping) as target:
    if what == "plan":  # without asking the platform for each case whether it is there, as a transfer would not either
        calls = sum(len(target._planned(target.sealed(item.case()), None, None, None).calls) for item in source.items())
        watch.stop(items=calls, errors=0)
    else:
        report = cf.transfer(source, target, workers=int(workers), verify=False)
        watch.stop(items=report.arrived, errors=0 if report.ok else 1, said=str(report))
