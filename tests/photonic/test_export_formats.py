"""Settings in the files of other programs, as far as they need none of them."""

import base64
import io
import json
import math
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from photonic.export_formats import (
    circuit_text,
    netlist_text,
    npz_bytes,
    perceval_files,
    read_circuit_text,
    read_npz,
    sax_files,
    tile_meshes,
    write_folder,
)
from photonic.export_formats.protobuf import double_field, fields, message_field, varint_field
from photonic.layout import MeshLayout
from photonic.mapping import map_linear
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import MESH_KINDS, assert_close, random_normal, random_settings
from tests.photonic.netlists import propagate
from tests.tolerances import MESH_EPS

layouts = st.builds(MeshLayout, st.sampled_from(MESH_KINDS), st.integers(1, 8)) | st.builds(
    MeshLayout.rectangular, st.integers(1, 6), st.integers(0, 8)
)
seeds = st.integers(0, 2**32)
PROGRAMS = [
    map_linear(random_normal(0, 5, 7), "clements", 4, "first.layer"),
    map_linear(random_normal(1, 3, 6), "reck", "full", "head"),
]


def settings_of(layout, seed):
    return MeshPhases(*random_settings(layout, seed))


def assert_equal(found, expected):
    for name in ("theta", "phi", "output_phase"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


# Circuits of Perceval.


@given(layout=layouts, seed=seeds)
def test_circuits_are_read_back_bit_by_bit(layout, seed):
    phases = settings_of(layout, seed)
    assert_equal(read_circuit_text(circuit_text(layout, phases), layout), phases)


def test_a_circuit_in_the_order_of_the_light():
    """Component by component, decoded here by hand: PS(phi), BS, PS(theta), BS on mode 1 of 2."""
    layout = MeshLayout.clements(3)
    phases = settings_of(layout, 3)
    text = circuit_text(layout, phases)
    plain = zlib.decompress(base64.b64decode(text.removeprefix(":PCVL:zip:"))).decode()
    message = base64.b64decode(plain.removeprefix(":PCVL:ACircuit:"))
    assert message[:2] == bytes([2 << 3, 3])  # n_mode = 3
    phi = struct.pack("<d", phases.phi[1])
    head = bytes([4 << 3 | 2, 17, 1 << 3, 1, 2 << 3, 1, 11 << 3 | 2, 11, 1 << 3 | 2, 9, 1 << 3 | 1])
    assert message.count(head + phi) == 1
    theta = struct.pack("<d", phases.theta[1])
    assert message.index(phi) < message.index(theta)
    assert message.count(struct.pack("<d", math.pi / 2)) == 2 * layout.num_mzis


def test_phases_beyond_a_turn_are_wrapped():
    layout = MeshLayout.clements(4)
    phases = settings_of(layout, 4)
    wound = MeshPhases(phases.theta, phases.phi - 9.0, phases.output_phase + 40.0)
    found = read_circuit_text(circuit_text(layout, wound), layout)
    expected, actual = (
        transfer_matrix(layout, part.theta, part.phi, part.output_phase) for part in (wound, found)
    )
    assert_close(actual, expected, 4 * MESH_EPS)


def changed_message(change):
    """Text of a circuit of two modes whose message was changed."""
    layout = MeshLayout.clements(2)
    plain = zlib.decompress(base64.b64decode(circuit_text(layout, settings_of(layout, 0))[10:]))
    message = base64.b64decode(plain.decode().removeprefix(":PCVL:ACircuit:"))
    return ":PCVL:ACircuit:" + base64.b64encode(change(message)).decode()


BOMB = ":PCVL:zip:" + base64.b64encode(zlib.compress(b":PCVL:ACircuit:" + b"A" * 10**7)).decode()
NAN, QUARTER = struct.pack("<d", math.nan), struct.pack("<d", math.pi / 4)
BROKEN_CIRCUITS = {
    "empty": ("", "does not begin with"),
    "other": (":PCVL:Matrix:AAAA", "does not begin with"),
    "base64": (":PCVL:ACircuit:?", "not a circuit of Perceval"),
    "zip": (":PCVL:zip:AAAA", "not a circuit of Perceval"),
    "bomb": (BOMB, "larger than this mesh"),
    "truncated": (changed_message(lambda m: m[:-1]), "is truncated"),
    "missing": (changed_message(lambda m: m[:2]), "not a clements mesh"),
    "modes": (changed_message(lambda m: varint_field(2, 3) + m[2:]), r"2 modes, got \[3\]"),
    "surplus": (changed_message(lambda m: m + m[2:]), "not a clements mesh"),
    "group": (changed_message(lambda m: m + bytes([1 << 3 | 3])), "the type 3"),
    "long": (changed_message(lambda m: m + b"\xff" * 9), "truncated or too long"),
    "length": (changed_message(lambda m: m + b"\x22\xff\xff\xff\xff\x0f"), "is truncated"),
    "nan": (changed_message(lambda m: m[:-8] + NAN), "not finite"),
    "coupler": (
        changed_message(lambda m: m.replace(struct.pack("<d", math.pi / 2), QUARTER)),
        "that no ideal mesh has",
    ),
    "kind": (
        changed_message(lambda m: m + message_field(4, message_field(14, b""))),
        "component 14 is neither",
    ),
    "bare": (changed_message(lambda m: m + varint_field(4, 1)), "not a message"),
    "two": (
        changed_message(lambda m: m + message_field(4, message_field(11, b"") * 1 + b"\x72\x00")),
        "not one shifter",
    ),
    "symbol": (
        changed_message(lambda m: m + message_field(4, message_field(11, message_field(1, b"x")))),
        "integer is truncated|not a number|truncated",
    ),
}


@pytest.mark.parametrize("case", BROKEN_CIRCUITS)
def test_broken_circuits_are_refused(case):
    text, message = BROKEN_CIRCUITS[case]
    with pytest.raises(ValueError, match=message):
        read_circuit_text(text, MeshLayout.clements(2))


@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    text = ":PCVL:ACircuit:" + base64.b64encode(data).decode()
    with pytest.raises(ValueError):
        read_circuit_text(text, MeshLayout.clements(2))


def test_distant_modes_have_no_circuit():
    layout = MeshLayout.butterfly(4)
    with pytest.raises(ValueError, match="Perceval couples neighbours only"):
        circuit_text(layout, settings_of(layout, 0))
    with pytest.raises(ValueError, match="Perceval couples neighbours only"):
        read_circuit_text("", layout)


@given(number=st.integers(1, 30), value=st.integers(0, 2**31), real=st.floats(allow_nan=False))
def test_fields_survive(number, value, real):
    message = varint_field(number, value) + double_field(number, real)
    expected = ([(number, value)] if value else []) + [(number, real)]
    assert list(fields(message)) == expected
    assert list(fields(message_field(number, message))) == [(number, message)]


# Netlists.


@given(layout=layouts, seed=seeds)
def test_netlists_read_back_and_perform_the_mesh(layout, seed):
    phases = settings_of(layout, seed)
    netlist = yaml.safe_load(netlist_text(layout, phases))
    expected = transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)
    assert_close(propagate(netlist, layout.num_modes), expected, MESH_EPS)


@pytest.mark.parametrize("value", [1e-05, 3e-300, 0.0, -0.0, 5.0, 1e16, 123456.789, 0.1])
def test_numbers_of_netlists_are_numbers_for_yaml(value):
    """YAML 1.1 takes 1e-05 for a word."""
    layout = MeshLayout.clements(1)
    phases = MeshPhases(
        torch.zeros(0).double(),
        torch.zeros(0).double(),
        torch.tensor([value], dtype=torch.float64),
    )
    netlist = yaml.safe_load(netlist_text(layout, phases))
    assert netlist["instances"]["output_m0"]["settings"]["phase"] == value


# Folders of meshes.


@pytest.mark.parametrize("files_of", [perceval_files, sax_files])
def test_every_mesh_has_a_file_and_a_place_in_the_index(files_of, tmp_path):
    folder = write_folder(files_of(PROGRAMS), tmp_path / "out")
    index = json.loads((folder / "meshes.json").read_text())
    named = []
    for program, layer in zip(PROGRAMS, index["layers"], strict=True):
        assert layer["name"] == program.name
        for tile in layer["tiles"]:
            place = tile["tile_row"], tile["tile_col"]
            assert tile["scale"] == program.scale[place].item()
            assert tile["attenuation"] == program.attenuation[place].tolist()
            named += [tile["v_file"], tile["u_file"]]
        assert len(layer["tiles"]) == program.num_tiles
    extra = {"meshes.json", "sax_models.py"} if files_of is sax_files else {"meshes.json"}
    assert {path.name for path in folder.iterdir()} == {*named, *extra}
    assert named[0].startswith("000_first_layer_r0_c0_V.")


def test_files_hold_the_meshes_that_they_name(tmp_path):
    folder = write_folder(perceval_files(PROGRAMS), tmp_path / "out")
    for mesh in tile_meshes(PROGRAMS[0]):
        row, column = mesh.tile
        path = folder / f"000_first_layer_r{row}_c{column}_{mesh.mesh}.pcvl.json"
        found = read_circuit_text(json.loads(path.read_text()), mesh.layout)
        assert_equal(found, mesh.phases)


def test_one_tile_can_be_asked_for():
    names = [name for name, _ in perceval_files(PROGRAMS[:1], (1, 0))]
    assert names[:-1] == [f"000_first_layer_r1_c0_{mesh}.pcvl.json" for mesh in "VU"]
    with pytest.raises(ValueError, match=r"has 2 x 2 tiles, there is no \(2, 0\)"):
        list(perceval_files(PROGRAMS[:1], (2, 0)))


def test_layers_of_one_name_are_refused():
    for files_of in (perceval_files, sax_files):
        with pytest.raises(ValueError, match="layers must have different names"):
            list(files_of(PROGRAMS[:1] * 2))
    with pytest.raises(ValueError, match="layers must have different names"):
        npz_bytes(PROGRAMS[:1] * 2)


def test_folders_are_whole_or_absent(tmp_path):
    def failing():
        yield "a.txt", b"a"
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_folder(failing(), tmp_path / "out")
    for name in ("../a", "a/b", ".hidden", "", "a\n"):
        with pytest.raises(ValueError, match="not a plain file name"):
            write_folder([(name, b"")], tmp_path / "out")
    with pytest.raises(ValueError, match=r"two files are called 'a\.txt'"):
        write_folder([("a.txt", b"")] * 2, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    write_folder([("a.txt", b"a")], tmp_path / "deep" / "out")
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        write_folder([("a.txt", b"b")], tmp_path / "deep" / "out")
    assert (tmp_path / "deep" / "out" / "a.txt").read_bytes() == b"a"


# Archives.


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "phases.npz"
    path.write_bytes(npz_bytes(PROGRAMS))
    return path


def test_archives_are_read_back_bit_by_bit(archive):
    found = read_npz(archive)
    assert list(found) == [program.name for program in PROGRAMS]
    for program in PROGRAMS:
        again = found[program.name]
        assert again.metadata() == program.metadata()
        for name, tensor in program.to_tensors().items():
            assert torch.equal(again.to_tensors()[name], tensor), name


def test_archives_are_plain_arrays_for_numpy(archive):
    with np.load(archive, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["head/u.theta"], PROGRAMS[1].u.theta.numpy())
        assert json.loads(arrays["layers"].tobytes())[0]["name"] == "first.layer"


def test_the_same_programs_give_the_same_bytes():
    assert npz_bytes(PROGRAMS) == npz_bytes(PROGRAMS)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_truncated_archives_are_refused(share, archive):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"phases\.npz: not a whole archive"):
        read_npz(archive)


def rewritten(archive, save=np.savez, **changes):
    """The archive with other arrays."""
    with np.load(archive) as arrays:
        content = {**arrays} | changes
    save(archive, **{key: value for key, value in content.items() if value is not None})


BROKEN_ARCHIVES = [
    ({"layers": None}, "'layers' is missing"),
    ({"layers": np.zeros(3)}, "'layers' is missing or is not text"),
    ({"layers": np.frombuffer(b"[1]", np.uint8)}, "not a list of layers"),
    ({"layers": np.frombuffer(b"[" * 10**5, np.uint8)}, r"phases\.npz: "),
    ({"head/scale": None}, r"missing \['scale'\]"),
    ({"head/scale": np.full((1, 1), np.nan)}, "`scale` must be finite"),
    ({"head/attenuation": np.full((1, 1, 3), -1.0)}, r"must lie in \[0, 1\]"),
    ({"head/scale": np.ones((1, 1), np.float32)}, "must be float64"),
    ({"head/scale": np.array([[None]])}, "must be float64"),
    ({"tail/scale": np.ones((1, 1))}, "belongs to no layer"),
    ({"../../etc/scale": np.ones((1, 1))}, "belongs to no layer"),
]


@pytest.mark.parametrize("case", range(len(BROKEN_ARCHIVES)))
def test_broken_archives_are_refused(case, archive):
    changes, message = BROKEN_ARCHIVES[case]
    rewritten(archive, **changes)
    with pytest.raises(ValueError, match=message):
        read_npz(archive)


def test_compressed_archives_are_refused(archive):
    rewritten(archive, np.savez_compressed)
    with pytest.raises(ValueError, match="is compressed"):
        read_npz(archive)


def test_headers_that_claim_more_take_no_memory(archive):
    """8e12 bytes claimed, 8 there; numpy.load would try to allocate them."""
    array = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(array, header)
    with zipfile.ZipFile(archive, "a") as content:
        content.writestr("head/more.npy", array.getvalue() + bytes(8))
    with pytest.raises(ValueError, match=r"claims the shape \(1000000, 1000000\), but has 8 bytes"):
        read_npz(archive)


def test_missing_archives_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        read_npz(tmp_path / "none.npz")
