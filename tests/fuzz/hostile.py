"""Inputs that once hung, filled the memory, lost predictions or ended in a traceback."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.mutations import Content, Special

_CELL = "data_x\n" + "".join(f"_cell_length_{a} 40\n" for a in "abc")
_CELL += "".join(f"_cell_angle_{a} 90\n" for a in ("alpha", "beta", "gamma"))
_LOOP = "loop_\n_atom_site_label\n" + "".join(f"_atom_site_fract_{a}\n" for a in "xyz")


def _cif(num_sites: int, symmetry: str) -> bytes:
    rows = "".join(f"C{n} .{n * 7919 % 9973:04} .{n * 31:04} .{n:04}\n" for n in range(num_sites))
    return (_CELL + symmetry + _LOOP + rows).encode()


def _operations(number: int, text: str = "x,y,z") -> str:
    return "loop_\n_symmetry_equiv_pos_as_xyz\n" + f"'{text}'\n" * number


def _poscar(lattice: str, counts: str, rows: str = "0 0 0\n") -> bytes:
    return f"x\n1.0\n{lattice}\nCu\n{counts}\nDirect\n{rows}".encode()


_CUBE = "3 0 0\n0 3 0\n0 0 3"
CRYSTALS: dict[str, bytes] = {
    "nines.cif": _cif(2, _operations(1, "9" * 5000 + ",y,z")),
    "slashes.cif": _cif(2, _operations(1, "1/" * 3000 + "x,y,z")),
    "fm3m.cif": _cif(150, "_symmetry_space_group_name_H-M 'F m -3 m'\n"),
    "work.cif": _cif(400, _operations(48)),
    "rows.cif": _cif(9999, ""),
    "quotes.cif": _cif(2, "_x " + "'a " * 100_000 + "\n"),
    "blanks.cif": _cif(2, "\n" * 1_000_000),
    "text.cif": _cif(2, ";\n" * 200_000),
    "many.cif": b"data_\n" * 100_000,
    "blocks.cif": b"".join(b"data_%d" % n + _cif(1, "")[6:] for n in range(500)),
    "counts.vasp": _poscar(_CUBE, "1000000000"),
    "underscores.vasp": _poscar(_CUBE, "1_000_000_000"),
    "far.vasp": _poscar(_CUBE, "1", "1e300 0 0\n"),
    "slab.vasp": _poscar("3 0 0\n0 3 0\n0 0 1e12", "1"),
    "vacuum.vasp": _poscar("3 0 0\n0 3 0\n0 0 99999", "1"),
    "chain.vasp": _poscar("3 0 0\n0 1e5 0\n0 0 1e5", "1"),
    "tiny.vasp": _poscar("3e-9 0 0\n0 3e-9 0\n0 0 3e-9", "1"),
    "flat.vasp": _poscar("1e-6 0 0\n0 1e6 0\n0 0 1", "1"),
    "singular.vasp": _poscar("3 0 0\n0 3 0\n3 3 3e-5", "1"),
    "skewed.vasp": _poscar("3 0 0\n9e4 3 0\n0 9e4 3", "1"),
    "scale.vasp": _poscar(_CUBE, "1").replace(b"1.0", b"-1e-300"),
    "deep.json": b'{"structure":' * 50_000,
    "nested.json": b'{"atoms":' * 900 + b"1" + b"}" * 900,
    "lists.json": b'{"sites":[' + b"[]," * 1_000_000 + b"[]]}",
    "ones.json": b"[" + b"1," * 300_000 + b"1]",
    "ids.json": b'[{"id": "\\u001b[2J\\ud800' + b"x" * 90_000 + b'", "atoms": {}}, 1]',
    "open.json": b"[" + b" " * 3_000_000,
    "number.json": b'{"lattice_mat": [' + b"9" * 100_000 + b'], "coords": 1, "elements": []}',
    "\x1b[31mred\n.cif": _cif(1, ""),
}
_STRICT = {
    "tag": b"mapped: !!bool x",
    "time": b"mapped: !!timestamp x",
    "merge": b"<<: {a: 1}",
    "bomb": b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
    "itself": b"a: &a [*a]",
    "sixty": b"a: 1" + b":1" * 500_000,
    "keys": b"1: 2\n? [a]\n: b\n.nan: 3",
    "nest": b"a: " + b"[" * 100_000,
    "python": b"a: !!python/object/apply:os.system [x]",
    "nan": b"chips: .nan\nseed: .inf",
}


def hostile_inputs() -> Iterator[tuple[str, dict[str, Content]]]:
    """Name of a subject, and what takes the place of its files or is added to them."""
    for name, data in CRYSTALS.items():
        yield "structure one.cif", {"one.cif": Special.LOOP, name: data}
    yield "structure one.cif", {"caf\udce9.cif": _cif(1, ""), "p.cif": Special.PIPE}
    for data in _STRICT.values():
        for subject, name in (
            ("chip soi_lab_good", "x.yaml"),
            ("study", "x.yaml"),
            ("channel blocks", "x.yaml"),
            ("drive laws", "x.yaml"),
        ):
            yield subject, {name: data}
    block = b"- {first_id: 0, count: 1, module: 0, first_channel: 0}\n"
    yield "channel blocks", {"x.yaml": b"channels_per_module: 8\nblocks:\n" + block * 70_000}
    yield "study", {"x.yaml": b"axes: [" + b"[]," * 300_000 + b"]"}
    for special in Special:
        for subject, name in (
            ("structure POSCAR", "POSCAR"),
            ("structure one.json", "one.json"),
            ("structure two.extxyz", "two.extxyz"),
            ("labelled folder", "id_prop.csv"),
            ("wbm", "wbm.json.gz"),
            ("chip with tables", "rows.csv"),
            ("study", "x.yaml"),
            ("channel table", "x.csv"),
            ("drive laws", "laws.csv"),
            ("checkpoint", "weights.safetensors"),
            ("checkpoint", "config.json"),
            ("mapped model", "mapped.json"),
            ("mapped model", "programs.safetensors"),
            ("calibration", "chip-0000.safetensors"),
            ("study store", "results.zarr/zarr.json"),
            ("bundle", "manifest.json"),
            ("bundle", "chip.csv"),
            ("programs", "x.npz"),
            ("results", "results.nc"),
        ):
            yield subject, {name: special}
