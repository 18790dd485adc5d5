"""Put a case of one image with caseferry: `caseferry_put.py URL CASE FILE...`, until the platform is done with it."""

import sys

from stopwatch import Stopwatch, load_all

import caseferry as cf

url, name, *files = sys.argv[1:]
load_all()
watch = Stopwatch()
with cf.connect(url) as dataset:
    item = dataset.wait(dataset.put(cf.Case(id=name, images=[cf.Image("ct", files=files)])))
watch.stop(id=item.id)
