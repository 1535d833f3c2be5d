"""Builds the shipped crystal tables from the matminer 0.4.0 source archive.

Run as ``python -m models.datasets.build --archive matminer-0.4.0.tar.gz --out DIR``; without
``--archive`` the archive is fetched, pinned by hash. This is a tool for maintainers: reading the
built files is ``models.datasets.load``. The same archive always gives the same bytes.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from models.files import create_file, write_atomic

ARCHIVE_NAME = "matminer-0.4.0.tar.gz"
ARCHIVE_BYTES = 8_370_663
ARCHIVE_SHA256 = "1a6bdfb198b36d836bab4fbcdffb2dc4fda8a740c3dc08cbb21ea43b817fec86"
ARCHIVE_FOLDER = "matminer-0.4.0/matminer/datasets/"
STRUCTURE_DECIMALS = 6  # as in the source; 5 split exact neighbour shells by 1e-4 Angstrom
LABEL_DECIMALS = 8  # beyond the precision of every label; drops float64 noise of the source
LARGEST_FIELD = 1 << 24  # bytes; some cells hold whole input files

Record = dict[str, str | float | list[int] | list[float]]
Structure = tuple[list[int], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class LabelSpec:
    """One label of a table.

    Attributes:
        column: name of the column in the source CSV.
        description: what it is, without the unit.
        unit: its unit; ``"1"`` for a pure number.
    """

    column: str
    description: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table of the archive and how it is shipped.

    Attributes:
        name: name of the dataset and of the built file.
        file: CSV in the archive's dataset folder.
        num_records: number of rows it must have.
        structure_column: ``"poscar"``, or ``"structure"`` for Python dictionary literals.
        cite: papers to cite.
        labels: label name to its source.
    """

    name: str
    file: str
    num_records: int
    structure_column: str
    cite: str
    labels: dict[str, LabelSpec]


TABLES = (
    TableSpec(
        name="dielectric",
        file="dielectric_constant.csv",
        num_records=1056,
        structure_column="poscar",
        cite="I. Petousis et al., Scientific Data 4, 160134 (2017)",
        labels={
            "n": LabelSpec(column="n", description="refractive index (DFPT, electronic)", unit="1"),
            "gap": LabelSpec(column="band_gap", description="PBE band gap", unit="eV"),
            "eps_e": LabelSpec(
                column="poly_electronic",
                description="polycrystalline electronic dielectric constant",
                unit="1",
            ),
            "eps_t": LabelSpec(
                column="poly_total",
                description="polycrystalline total dielectric constant",
                unit="1",
            ),
        },
    ),
    TableSpec(
        name="elastic",
        file="elastic_tensor.csv",
        num_records=1181,
        structure_column="poscar",
        cite="M. de Jong et al., Scientific Data 2, 150009 (2015)",
        labels={
            "K": LabelSpec(
                column="K_VRH", description="bulk modulus, Voigt-Reuss-Hill", unit="GPa"
            ),
            "G": LabelSpec(
                column="G_VRH", description="shear modulus, Voigt-Reuss-Hill", unit="GPa"
            ),
            "nu": LabelSpec(column="poisson_ratio", description="Poisson ratio", unit="1"),
            "A": LabelSpec(
                column="elastic_anisotropy", description="universal elastic anisotropy", unit="1"
            ),
        },
    ),
    TableSpec(
        name="formation",
        file="flla_2015.csv",
        num_records=3938,
        structure_column="structure",
        cite=(
            "F. Faber et al., Int. J. Quantum Chem. 115, 1094 (2015); "
            "A. Jain et al., APL Materials 1, 011002 (2013)"
        ),
        labels={
            "ef": LabelSpec(
                column="formation_energy_per_atom",
                description="formation energy, Materials Project corrections of 2015",
                unit="eV/atom",
            ),
            "ehull": LabelSpec(
                column="e_above_hull", description="energy above the convex hull", unit="eV/atom"
            ),
        },
    ),
    TableSpec(
        name="piezo",
        file="piezoelectric_tensor.csv",
        num_records=941,
        structure_column="poscar",
        cite="M. de Jong et al., Scientific Data 2, 150053 (2015)",
        labels={
            "eij_max": LabelSpec(
                column="eij_max",
                description="largest longitudinal piezoelectric modulus",
                unit="C/m^2",
            )
        },
    ),
)


def read_poscar(text: str) -> Structure:
    """Atomic numbers, lattice rows [Angstrom] and fractional coordinates of a VASP 5 POSCAR.

    Raises:
        ValueError: for Cartesian coordinates, a scale that is not positive or missing sites.
    """
    lines = text.splitlines()
    scale = float(lines[1])
    if not scale > 0 or not lines[7].strip().lower().startswith("d"):
        raise ValueError(f"POSCAR {lines[0]!r}: needs a positive scale and direct coordinates")
    lattice = scale * np.array([line.split() for line in lines[2:5]], dtype=np.float64)
    counts = [int(count) for count in lines[6].split()]
    symbols = lines[5].split()
    numbers = [
        Element(symbol).Z
        for symbol, count in zip(symbols, counts, strict=True)
        for _ in range(count)
    ]
    sites = [line.split()[:3] for line in lines[8 : 8 + len(numbers)]]
    if len(sites) != len(numbers):
        raise ValueError(f"POSCAR {lines[0]!r}: {len(sites)} sites, expected {len(numbers)}")
    return numbers, lattice, np.array(sites, dtype=np.float64)


def read_structure_literal(text: str) -> Structure:
    """Atomic numbers, lattice rows [Angstrom] and fractional coordinates of a dictionary literal.

    Raises:
        ValueError: if a site is not fully occupied by one element.
    """
    data = ast.literal_eval(text)
    numbers = []
    for site in data["sites"]:
        if len(site["species"]) != 1 or site["species"][0]["occu"] != 1:
            raise ValueError(f"site {site['label']!r} is partly occupied")
        numbers.append(Element(site["species"][0]["element"]).Z)
    lattice = np.array(data["lattice"]["matrix"], dtype=np.float64)
    return numbers, lattice, np.array([site["abc"] for site in data["sites"]], dtype=np.float64)


def read_rows(text: str) -> Iterator[dict[str, str]]:
    """Rows of a source CSV as column name to cell.

    Reference lines starting with ``#`` precede the header. Some tables carry an unnamed row
    index, so that rows are one cell longer than the header: the names then belong to the last
    cells.

    Raises:
        ValueError: if a row fits neither form.
    """
    csv.field_size_limit(LARGEST_FIELD)
    while text.startswith("#"):
        text = text.partition("\n")[2]
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader)
    for row in reader:
        if len(row) - len(header) not in (0, 1):
            raise ValueError(f"row {row[0]!r} has {len(row)} cells, the header {len(header)}")
        yield dict(zip(header, row[-len(header) :], strict=True))


def make_record(row: dict[str, str], spec: TableSpec) -> Record:
    """The shipped record of a CSV row: id, z, cell [Angstrom], x in [0, 1) and the labels.

    Raises:
        ValueError: if the cell is left-handed or has no volume.
    """
    read = read_poscar if spec.structure_column == "poscar" else read_structure_literal
    numbers, lattice, frac_coords = read(row[spec.structure_column])
    if not np.linalg.det(lattice) > 0:
        raise ValueError(f"{row['material_id']}: the cell must be right-handed")
    # The second modulo folds coordinates that round up to 1; adding 0.0 clears negative zeros.
    wrapped = np.round(np.round(frac_coords % 1.0, STRUCTURE_DECIMALS) % 1.0, STRUCTURE_DECIMALS)
    record: Record = {
        "id": row["material_id"],
        "z": numbers,
        "cell": (np.round(lattice, STRUCTURE_DECIMALS) + 0.0).ravel().tolist(),
        "x": (wrapped + 0.0).ravel().tolist(),
    }
    for name, label in spec.labels.items():
        record[name] = round(float(row[label.column]), LABEL_DECIMALS) + 0.0
    return record


def make_table(text: str, spec: TableSpec) -> dict[str, object]:
    """The content of a shipped file, ``{"meta": ..., "records": ...}``, in source order.

    Raises:
        ValueError: if the CSV does not hold the expected number of records.
    """
    records = [make_record(row, spec) for row in read_rows(text)]
    if len(records) != spec.num_records:
        raise ValueError(f"{spec.file}: {len(records)} rows, expected {spec.num_records}")
    meta = {
        "name": spec.name,
        "source": f"{ARCHIVE_NAME} (sha256 {ARCHIVE_SHA256})",
        "file": f"matminer/datasets/{spec.file}",
        "origin": "Materials Project, density-functional theory (PBE, GGA+U)",
        "licence": "CC-BY-4.0, the Materials Project; attribution in LICENSE-DATA.txt",
        "cite": spec.cite,
        "format": (
            "z: atomic numbers; cell: row-major 3x3, rows are lattice vectors in angstrom; "
            "x: fractional coordinates in [0, 1), flattened"
        ),
        "changes": (
            f"columns selected and renamed; cell and x rounded to {STRUCTURE_DECIMALS} decimals, "
            f"labels to {LABEL_DECIMALS}; coordinates wrapped into the cell"
        ),
        "labels": {name: label.description for name, label in spec.labels.items()},
        "units": {name: label.unit for name, label in spec.labels.items()},
    }
    return {"meta": meta, "records": records}


def encode_table(table: dict[str, object]) -> bytes:
    """Gzip-compressed JSON without time stamp or file name, so that equal tables are equal bytes
    (for one version of the compressor).
    """
    text = json.dumps(table, separators=(",", ":"), allow_nan=False)
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
        stream.write(text.encode())
    return buffer.getvalue()


def verify_archive(path: Path) -> None:
    """Check size and sha256 of the archive.

    Raises:
        ValueError: if it is not exactly the expected file.
    """
    size = path.stat().st_size
    if size != ARCHIVE_BYTES:
        raise ValueError(f"{path.name} has {size} bytes, expected {ARCHIVE_BYTES}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != ARCHIVE_SHA256:
        raise ValueError(f"{path.name} has sha256 {digest}, expected {ARCHIVE_SHA256}")


def fetch_archive(folder: Path) -> Path:
    """Download the archive into ``folder`` with pip, pinned by hash, and return its path.

    Raises:
        subprocess.CalledProcessError: if pip fails.
    """
    requirements = folder / "requirements.txt"
    create_file(requirements, [f"matminer==0.4.0 --hash=sha256:{ARCHIVE_SHA256}\n".encode()])
    options = ["--no-deps", "--no-binary", ":all:", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", *options]
    subprocess.run([*command, "-r", str(requirements), "-d", str(folder)], check=True)
    return folder / ARCHIVE_NAME


def build(archive: Path, out: Path) -> list[Path]:
    """Write every table of ``TABLES`` to ``out`` as ``<name>.json.gz`` and return the paths.

    Raises:
        ValueError: if the archive or a table in it is not as expected.
    """
    verify_archive(archive)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    with tarfile.open(archive) as tar:
        for spec in TABLES:
            member = tar.extractfile(ARCHIVE_FOLDER + spec.file)
            if member is None:
                raise ValueError(f"{spec.file} is not a file in {archive.name}")
            path = out / f"{spec.name}.json.gz"
            write_atomic(path, encode_table(make_table(member.read().decode(), spec)))
            paths.append(path)
    return paths


def main(argv: list[str] | None = None) -> None:
    """Command line of the builder; prints the written files and their sizes in bytes."""
    parser = argparse.ArgumentParser(prog="python -m models.datasets.build", description=__doc__)
    parser.add_argument("--archive", type=Path, help=f"{ARCHIVE_NAME}; fetched if not given")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        archive = args.archive or fetch_archive(Path(folder))
        for path in build(archive, args.out):
            print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
