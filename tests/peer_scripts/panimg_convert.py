"""Imports each folder in a folder with panimg, and prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from panimg import convert

made: dict[str, list[dict[str, object]]] = {}
for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
    output = Path(sys.argv[2]) / folder.name
    output.mkdir(parents=True)
    result = convert(input_directory=folder, output_directory=output)
    files = {file.image_id: str(file.file) for file in result.new_image_files}
    made[folder.name] = [
        {
            "file": files[image.pk],
            "colour": image.color_space.value,
            "size": [image.width, image.height, image.depth],
            "voxel": [image.voxel_width_mm, image.voxel_height_mm, image.voxel_depth_mm],
            "segments": None if image.segments is None else sorted(map(int, image.segments)),
        }
        for image in result.new_images
    ]
print(json.dumps(made))
