"""Bundles that somebody damaged or forged: one line each, nothing written, little memory."""

import dataclasses
import hashlib
import json
import os
import random
import shutil
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.channel_map import ChannelMapError
from photonic.chipfile import (
    ChipFileError,
    check_physics,
    export_program,
    read_export,
    verify_export,
)
from photonic.chipfile.csv_table import csv_chunks
from photonic.hardware import load_hardware
from tests.photonic.chips import (
    FIRST_LAYER,
    PROVENANCE,
    files_of,
    mapped,
    network,
    rehash,
    rehash_layer,
    write_layer,
    write_manifest,
)
from tests.tolerances import READER_MEMORY_FACTOR

REFUSALS = (ChipFileError, ChannelMapError)
"""What a reader may raise: ValueErrors of one line."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("original") / "chip"
    hardware = load_hardware("soi_lab_good")
    return export_program(network(), hardware, out, provenance=PROVENANCE, has_table=False)


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "chip"))


@pytest.mark.parametrize("file", ["manifest.json", FIRST_LAYER, "chip.csv", "001_head_second.json"])
@pytest.mark.parametrize("damage", ["edited", "truncated", "missing", "longer"])
def test_damaged_files_are_refused(folder, file, damage):
    path = folder / file
    data = path.read_bytes()
    message = rf"^{file}: edited"
    if damage == "missing":
        path.unlink()
        message = rf"^{file}: No such file or directory"
    elif damage == "longer":
        path.write_bytes(data + b" ")
    else:
        path.write_bytes(data.replace(b"1", b"2", 1) if damage == "edited" else data[:-40])
    with pytest.raises(ChipFileError, match=message):
        read_export(folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.pop("convention"), "has no convention block"),
        (lambda m: m["convention"].update(phi_side="out"), r"'convention.phi_side'.*'in'"),
        (lambda m: m["convention"].pop("arm"), r"'convention.arm': Field required"),
        (lambda m: m.update(schema_version=1), "version 1 is no longer read; .*lightframe export"),
        (lambda m: m.update(schema_version=2), "version 2 is no longer read; .*lightframe export"),
        (lambda m: m.update(schema_version=4), "expected lightframe.chip-bundle version 3"),
        (lambda m: m.update(schema="other"), "expected lightframe.chip-bundle version 3"),
        (lambda m: m.update(comment="hello"), "'comment': Extra inputs"),
        (lambda m: m["hardware"].update(v_pi_v=-1.0), "'hardware.v_pi_v'.*greater than 0"),
        (lambda m: m["hardware"].update(insertion_loss_db=-0.5), "insertion_loss_db"),
        (lambda m: m["drive"].update(phase_full_scale_rad=1.0), "drive laws do not belong"),
        (lambda m: m["layers"][0]["scale"].pop(), "`scale` does not fit its tiles"),
        (lambda m: m["layers"][0].update(out_features=99), "2 tiles of 4 do not fit 99 features"),
        (lambda m: m["layers"][0]["scale"][0].__setitem__(1, -1.0), r"'layers.0.scale.0.1'"),
        (
            lambda m: m["layers"][0].update(name="head first"),
            "layer 'head/first' from shifter 0, exp",
        ),
        (lambda m: m["layers"][0]["u_layout"].update(kind="star"), "'head/first': `kind` must be"),
        (lambda m: m["layers"][0]["u_layout"].update(kind="reck"), "not those of the layouts"),
        (lambda m: m["layers"][0].update(first_id=1), "must begin with shifter 0, got 1"),
        (lambda m: m["layers"].reverse(), "must begin with shifter 0"),
        (lambda m: m.update(num_shifters=7), "do not hold `num_shifters`"),
        (lambda m: m["layers"].clear(), "do not hold `num_shifters`"),
        (lambda m: m["layers"][1].update(m["layers"][0]), "share a name or a file"),
        (lambda m: m["layers"][0].update(num_shifters=10**8), "too short for its shifters"),
    ],
)
def test_forged_manifests_are_refused(folder, edit, message):
    rehash(folder, edit)
    with pytest.raises(ChipFileError, match=message) as caught:
        read_export(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    ["../x.json", "/etc/passwd", "..", ".", "a/b.json", "a\\b.json", "C:x.json", "", ".hidden"],
)
@pytest.mark.parametrize("entry", ["json_file", "csv_file"])
def test_paths_out_of_the_folder_are_refused(folder, path, entry):
    def edit(manifest):
        place = manifest if entry == "csv_file" else manifest["layers"][0]
        place[entry]["path"] = path

    (folder.parent / "x.json").write_text("{}")
    rehash(folder, edit)
    with pytest.raises(ChipFileError, match=r"(json_file|csv_file)\.path"):
        read_export(folder)


@pytest.mark.parametrize("file", ["manifest.json", FIRST_LAYER, "chip.csv"])
@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_links_and_devices_are_not_opened(folder, file, kind):
    path, elsewhere = folder / file, folder.parent / "elsewhere"
    path.rename(elsewhere)
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(ChipFileError, match=rf"^{file}: "):
        read_export(folder)


def test_enormous_meshes_are_refused_before_they_are_built(folder):
    for number in (4096, 10**9, 10**30):

        def edit(manifest, number=number):
            layer = manifest["layers"][1]
            layer["u_layout"]["num_modes"] = layer["v_layout"]["num_modes"] = number

        rehash(folder, edit)
        tracemalloc.start()
        with pytest.raises(ChipFileError):
            read_export(folder)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak <= 1_000_000, f"{peak:,} bytes"


@pytest.mark.parametrize("depth", [10**9, 16_000])
def test_endless_meshes_are_refused_before_they_are_built(folder, depth):
    def edit(manifest):
        for name in ("u_layout", "v_layout"):
            manifest["layers"][0][name].update(kind="rectangular", depth=depth)

    rehash(folder, edit)
    tracemalloc.start()
    with pytest.raises(ChipFileError):
        read_export(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 1_000_000, f"{peak:,} bytes"


@pytest.mark.parametrize(
    "text", ["[]", "{", "[" * 100_000, '{"a":' * 100_000, "{}", "\x00", "null", "{" * 10_000_000]
)
def test_manifests_that_are_no_bundle_are_refused(folder, text):
    write_manifest(folder, text.encode())
    with pytest.raises(ChipFileError, match=r"manifest.json: (must be|not valid|expected|holds)"):
        read_export(folder)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":[' + "{}," * 2_000_000 + "0]}",
        '{"a":[' + "[]," * 2_000_000 + "0]}",
        '{"a":[' + "0," * 4_000_000 + "0]}",
    ],
    ids=["objects", "lists", "numbers"],
)
def test_a_short_text_does_not_become_large(folder, text):
    write_layer(folder, text.encode())
    size = sum(path.stat().st_size for path in folder.iterdir())
    del text
    tracemalloc.start()
    with pytest.raises(ChipFileError, match="holds more values than it should"):
        read_export(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= READER_MEMORY_FACTOR * size, f"{peak:,} bytes for {size:,}"


def test_memory_of_reading_stays_below_twice_the_files(tmp_path):
    hardware, program = load_hardware("soi_lab_good"), mapped(48, 48, 16, "large")
    folder = export_program([program], hardware, tmp_path / "c", provenance={}, has_table=False)
    size = sum(path.stat().st_size for path in folder.iterdir())
    read_export(folder)  # caches of layouts
    tracemalloc.start()
    read_export(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= READER_MEMORY_FACTOR * size, f"{peak:,} bytes for {size:,}"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda x: x["phase_rad"].pop(), r"`phase_rad` must hold \d+ values, got \d+"),
        (lambda x: x["dac_code"].append(1), r"`dac_code` must hold \d+ values, got \d+"),
        (lambda x: x["shifters"]["top_mode"].reverse(), "not those of the layouts"),
        (lambda x: x["phase_rad"].__setitem__(3, "1.0"), r"'phase_rad.3'.*valid number"),
        (lambda x: x["phase_rad"].__setitem__(3, None), r"'phase_rad.3'.*valid number"),
        (lambda x: x["phase_rad"].__setitem__(3, True), r"'phase_rad.3'.*valid number"),
        (lambda x: x["drive_v"].__setitem__(0, float("nan")), "not valid JSON"),
        (lambda x: x["drive_v"].__setitem__(0, -1.0), "'drive_v.0"),
        (lambda x: x["drive_v"].__setitem__(0, None), r"`drive_v` of shifter 0 \('head/first'"),
        (lambda x: x.update(drive_v=None), r"`drive_v` of shifter 0 \('head/first'.* is missing"),
        (lambda x: x.update(calibration=[]), "has drives but no calibration laws"),
        (lambda x: x["calibration"][0].update(p1=-1.0), "shifter 0: `p1` must be positive"),
        (lambda x: x["calibration"][0].update(law="magic"), "'calibration.0.law'"),
        (lambda x: x["calibration"][0].update(ids=[10**9]), "a law is for shifter 1000000000"),
        (lambda x: x.update(bias_rad=0.1), "`bias_rad` is not `p0`"),
        (lambda x: x["dac_code"].__setitem__(0, 2**16), "`dac_code` exceeds 16 bit"),
        (lambda x: x.update(dac_code=None), "`dac_code` contradicts the converter"),
        (lambda x: x["status"]["dead"].append(10**6), "`dead` names a shifter of another layer"),
        (lambda x: x.pop("drive_v"), "'drive_v': Field required"),
        (lambda x: x.update(schema="other"), "is not a layer"),
    ],
)
def test_forged_layers_are_refused(folder, edit, message):
    rehash_layer(folder, edit)
    with pytest.raises(ChipFileError, match=message) as caught:
        read_export(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda x: x["phase_rad"].__setitem__(5, 7.0), r"must lie in \[0, 2 pi\)"),
        (lambda x: x["phase_rad"].__setitem__(5, 0.123), "does not give `phase_rad`"),
        (lambda x: x["phase_cmd_rad"].__setitem__(5, 50.0), "no allowed drive gives"),
        (lambda x: x["drive_v"].__setitem__(5, 1.23), "the drive does not give `phase_cmd_rad`"),
        (lambda x: x["drive_v"].__setitem__(5, 13.0), "beyond its limits"),
        (lambda x: x["power_mw"].__setitem__(5, 1.0), "`power_mw` does not follow"),
        (lambda x: x["drive_ma"].__setitem__(5, 99.0), "`drive_ma` does not follow"),
        (lambda x: x["dac_code"].__setitem__(5, x["dac_code"][5] + 1), "not the nearest code"),
        (lambda x: x["status"]["dead"].append(5), "is dead but driven"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(folder, edit, message):
    rehash_layer(folder, edit)
    with pytest.raises(REFUSALS, match=message) as caught:
        # The CSV file is checked first, so it takes the forged numbers too.
        _rewrite_csv(folder)
        verify_export(folder)
    assert "shifter" in str(caught.value)


def test_a_channel_that_is_used_twice_is_named(folder):
    export = read_export(folder)
    channel = export.layers[0].dac_channel.copy()
    channel[5] = 4
    layers = (dataclasses.replace(export.layers[0], dac_channel=channel), *export.layers[1:])
    with pytest.raises(ChannelMapError, match="module 0, channel 4 is used twice: by shifters"):
        check_physics(dataclasses.replace(export, layers=layers))


def _rewrite_csv(folder: Path) -> None:
    data = b"".join(csv_chunks(read_export(folder)))
    (folder / "chip.csv").write_bytes(data)
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "num_bytes": len(data)}
    rehash(folder, lambda manifest: manifest["csv_file"].update(entry))


def test_a_csv_with_other_numbers_is_refused(folder):
    data = (folder / "chip.csv").read_bytes().replace(b"voltage", b"current", 1)
    (folder / "chip.csv").write_bytes(data)
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "num_bytes": len(data)}
    rehash(folder, lambda manifest: manifest["csv_file"].update(entry))
    read_export(folder)
    with pytest.raises(ChipFileError, match=r"chip\.csv: does not hold the numbers of the JSON"):
        verify_export(folder)


def test_reordered_keys_are_the_same_bundle(folder, original):
    def reverse(record):
        items = list(record.items())[::-1]
        record.clear()
        record.update(items)

    rehash_layer(folder, reverse)
    rehash(folder, reverse)
    before, after = read_export(original), read_export(folder)
    assert before.header == after.header
    assert before.column("drive_v").tolist() == after.column("drive_v").tolist()
    verify_export(folder)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 10**9, 10**40, -0.5, 1e308, "", "../x", "\u0000", [], {}, [[]]]),
)


@given(seed=st.integers(0, 2**32), value=VALUES, is_layer=st.booleans())
def test_any_value_anywhere_gives_one_line_or_the_bundle(
    original, tmp_path_factory, seed, value, is_layer
):
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("fuzz") / "chip"))
    choose = random.Random(seed)

    def edit(node):
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                return
            key = choose.choice(keys)
            if not isinstance(node[key], dict | list) or choose.random() < 0.3:
                node[key] = value
                return
            node = node[key]

    (rehash_layer if is_layer else rehash)(folder, edit)
    before = files_of(folder)
    try:
        verify_export(folder)
    except REFUSALS as error:
        assert "\n" not in str(error)
        assert len(str(error)) <= 500
    assert files_of(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["chip"]
    shutil.rmtree(folder.parent)


@given(cut=st.integers(0, 4000), name=st.sampled_from(["manifest.json", FIRST_LAYER]))
def test_truncated_texts_with_matching_hashes_are_refused(original, tmp_path_factory, cut, name):
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("cut") / "chip"))
    data = (folder / name).read_bytes()
    data = data[: len(data) - 2 - cut]
    (write_manifest if name == "manifest.json" else write_layer)(folder, data)
    with pytest.raises(ChipFileError, match=r"not valid JSON|too short"):
        read_export(folder)
    shutil.rmtree(folder.parent)


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(ChipFileError, match="No such file"):
        read_export(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ChipFileError, match="Not a directory"):
        read_export(tmp_path / "file")


def test_a_bundle_of_version_1_says_how_to_write_it_again(tmp_path):
    manifest = {"schema": "lightframe.chip-program", "schema_version": 1}
    write_manifest(tmp_path, json.dumps(manifest).encode())
    with pytest.raises(ChipFileError, match="lightframe export MAPPED --out BUNDLE"):
        read_export(tmp_path)
