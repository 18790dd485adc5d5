"""Research: how large each labelled structure is, of every case of a dataset, as a table.

python examples/volumes.py grand-challenge:coronacases > volumes.csv
"""

from __future__ import annotations

import csv
import sys

import numpy as np

import caseferry as cf


def main() -> None:
    """Write a line for each label of each mask: its volume in millilitres, from the grid of its image."""
    table = csv.writer(sys.stdout)
    table.writerow(["case", "image", "label", "voxels", "ml"])
    with cf.connect(sys.argv[1]) as dataset:
        for item in dataset.items():
            case = item.case()
            for mask in (each for each in case.annotations if isinstance(each, cf.Mask)):
                grid = case.image(str(mask.image)).geometry
                if grid is None or not grid.physical:
                    continue
                values, counts = np.unique(mask.voxels(), return_counts=True)
                found = dict(zip(values.tolist(), counts.tolist(), strict=True))
                for value, label in mask.labels.items():
                    voxels = found.get(value, 0)
                    ml = voxels * float(np.prod(grid.spacing_mm)) / 1000
                    table.writerow([case.id, mask.image, label, voxels, f"{ml:.6f}"])


if __name__ == "__main__":
    main()
