"""How fast label maps become outlines and masks again, beside scikit-image in the same run.

    python tests/benchmarks/shapes.py [--size 512] [--slices 300] [--labels 10]

scikit-image has no outlines along pixel edges: it is asked for its contours (`find_contours`, per label and slice) and
for filled polygons (`draw.polygon`); ``cropped`` spares it everything outside of the label's own box.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage import draw, measure

from caseferry.shapes import fill_into, trace_planes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def organs(size: int, slices: int, labels: int, rough: float, seed: int = 7) -> NDArray[np.uint8]:
    """Bodies of wavy outline at random places, every one through most of the slices, [column, row, slice].

    Parameters
    ----------
    rough : the share of pixels, near the outlines, that are as a noisy segmentation leaves them
    """
    random = np.random.default_rng(seed)
    volume = np.zeros((slices, size, size), np.uint8)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    bodies = [
        (random.uniform(0.2, 0.8, 2) * size, random.uniform(0.06, 0.2) * size, random.uniform(0, 6, 4))
        for _ in range(labels)
    ]
    for z in range(slices):
        for value, (centre, radius, phase) in enumerate(bodies, 1):
            angle = np.arctan2(y - centre[1], x - centre[0])
            wave = 1 + 0.2 * np.sin(3 * angle + phase[0]) + 0.05 * np.sin(11 * angle + phase[1] + z / 9)
            edge = radius * wave * (0.4 + 0.6 * np.sin(np.pi * (z + 0.5) / slices))
            distance = np.hypot(x - centre[0], y - centre[1]) - edge
            if rough:
                distance += (random.random(distance.shape, np.float32) - 0.5) * 2 * rough
            volume[z][distance < 0] = value
    return volume.T


def seconds(what: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def skimage_trace(volume: NDArray[np.uint8], labels: int, crop: bool) -> int:
    """Contours of every label on every slice; their number."""
    boxes = measure_boxes(volume, labels) if crop else {}
    found = 0
    for z in range(volume.shape[2]):
        plane = volume[:, :, z].T
        for value in range(1, labels + 1):
            part = plane[boxes[z, value]] if crop and (z, value) in boxes else plane
            if crop and (z, value) not in boxes:
                continue
            found += len(measure.find_contours(np.pad(part == value, 1), 0.5))
    return found


def measure_boxes(volume: NDArray[np.uint8], labels: int) -> dict[tuple[int, int], tuple[slice, slice]]:
    """The box of every label on every slice where it is."""
    boxes = {}
    for z in range(volume.shape[2]):
        for region in measure.regionprops(volume[:, :, z].T):
            boxes[z, region.label] = region.slice
    return boxes


def skimage_fill(outlines: dict[int, Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The label map of outlines, holes taken out again."""
    volume = np.zeros(shape[::-1], np.uint8)
    for z, labels in outlines.items():
        for value, rings in labels.items():
            mask = np.zeros(shape[1::-1], np.bool_)
            for ring in rings:
                mask[draw.polygon(ring[:, 1], ring[:, 0], mask.shape)] ^= True
            volume[z][mask] = value
    return volume.T


def our_fill(outlines: dict[int, Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The label map of outlines."""
    volume = np.zeros(shape[::-1], np.uint8).T
    for z, labels in outlines.items():
        for value, rings in labels.items():
            fill_into(volume[:, :, z], rings, value)
    return volume


def compare(name: str, volume: NDArray[np.uint8], labels: int) -> None:
    """Measure one volume and print what was found."""
    ours = min(seconds(lambda: sum(1 for _ in trace_planes(volume))) for _ in range(3))
    theirs = min(seconds(lambda: skimage_trace(volume, labels, crop=False)) for _ in range(2))
    cropped = min(seconds(lambda: skimage_trace(volume, labels, crop=True)) for _ in range(2))
    outlines = dict(trace_planes(volume))
    back = our_fill(outlines, volume.shape)
    exact = np.array_equal(back, volume)
    our_filling = min(seconds(lambda: our_fill(outlines, volume.shape)) for _ in range(3))
    their_filling = seconds(lambda: skimage_fill(outlines, volume.shape))
    same = np.array_equal(skimage_fill(outlines, volume.shape), volume)
    tracemalloc.start()
    for _ in trace_planes(volume):
        pass
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    count = sum(len(rings) for found in outlines.values() for rings in found.values())
    points = sum(len(ring) for found in outlines.values() for rings in found.values() for ring in rings)
    print(f"{name}: {' x '.join(map(str, volume.shape))}, {labels} labels; {count} rings of {points} points")
    print(f"  trace   {ours:6.2f} s; scikit-image {theirs:6.2f} s ({theirs / ours:.1f}x)", end="")
    print(f", cropped {cropped:6.2f} s ({cropped / ours:.1f}x); peak {peak:.1f} MB beside the volume")
    print(f"  fill    {our_filling:6.2f} s; scikit-image {their_filling:6.2f} s ({their_filling / our_filling:.1f}x)")
    print(f"  back and equal: {exact} (filled by scikit-image: {same})")


def main() -> None:
    """Measure smooth and rough outlines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--labels", type=int, default=10)
    asked = parser.parse_args()
    for name, rough in (("smooth", 0.0), ("rough", 3.0)):
        compare(name, organs(asked.size, asked.slices, asked.labels, rough), asked.labels)


if __name__ == "__main__":
    main()
