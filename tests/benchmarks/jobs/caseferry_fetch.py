"""Bring one case to a folder with caseferry: `caseferry_fetch.py URL ITEM FOLDER`."""

import sys

from stopwatch import Stopwatch, load_all

import caseferry as cf

url, item, folder = sys.argv[1:]
load_all()
watch = Stopwatch()
with cf.connect(url) as dataset, cf.connect(f"local:{folder}") as target:
    target.put(dataset.get(item).case())
watch.stop()
