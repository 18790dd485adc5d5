"""Research: how large each labelled structure is, of every case of a dataset, as a table.

python examples/volumes.py grand-challenge:coronacases > volumes.csv
"""

from __future__ import annotations

import argparse
import csv
import sys

import numpy as np

import caseferry as cf


def main() -> None:
    """Write a line for each label of each mask: its volume in millilitres, from the grid of its image."""
    parser = argparse.ArgumentParser(description="Measure the labelled structures of every case of a dataset.")
    parser.add_argument("dataset")
    given = parser.parse_args()
    table = csv.writer(sys.stdout)
    table.writerow(["case", "image", "label", "voxels", "ml"])
    with cf.connect(given.dataset) as dataset:
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
                    ml = voxels * abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000  # a tilted gantry shears it
                    table.writerow([case.id, mask.image, label, voxels, f"{ml:.6f}"])


if __name__ == "__main__":
    main()
