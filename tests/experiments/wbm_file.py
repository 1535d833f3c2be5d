"""Files of crystals from elsewhere, for tests."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from models.crystal import Crystal


def wbm_file(path: Path, crystals: list[Crystal], values: list[float]) -> Path:
    """A file in the form of the WBM test file, with these corrected formation energies."""
    records = [
        {
            "id": f"wbm-{number}",
            "z": crystal.numbers.tolist(),
            "cell": crystal.lattice.ravel().tolist(),
            "x": crystal.frac_coords.ravel().tolist(),
            "efc": value,
        }
        for number, (crystal, value) in enumerate(zip(crystals, values, strict=True))
    ]
    path.write_bytes(gzip.compress(json.dumps({"meta": {}, "records": records}).encode()))
    return path
