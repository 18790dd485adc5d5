"""Turns each RT structure set of a folder into masks with dcmrtstruct2nii, and prints where they are.

A structure set ``NAME.dcm`` was drawn on the series in the folder ``NAME`` beside it.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

with contextlib.redirect_stdout(io.StringIO()):
    from dcmrtstruct2nii import dcmrtstruct2nii, list_rt_structs

made: dict[str, dict[str, str]] = {}
for file in sorted(Path(sys.argv[1]).glob("*.dcm")):
    output = Path(sys.argv[2]) / file.stem
    with contextlib.redirect_stdout(io.StringIO()):
        dcmrtstruct2nii(str(file), str(file.with_suffix("")), str(output), convert_original_dicom=False)
        names = list_rt_structs(str(file))
    made[file.stem] = {name: str(output / f"mask_{name}.nii.gz") for name in names}
print(json.dumps(made))
