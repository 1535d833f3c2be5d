"""Forged manifests of bundles of a mapped model: each value that is changed is found, but for few.

A forger edits one value at a time and gives every file a matching hash. What passes is exactly the
list below.
"""

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from experiments import cli, jobs
from experiments.bundle_origin import check_origin
from experiments.bundle_verification import verify_bundle
from experiments.chip_bundle import ExportRequest, export_bundle, import_bundle
from experiments.mapped import MappingSettings, load_mapped
from models import CrystalModel, load_checkpoint
from photonic import Chip, load_hardware
from photonic.chipfile import ChipExport, ChipFileError, read_export
from photonic.chipfile.reader import read_manifest
from photonic.chipfile.rebuild import weights_on_chip
from tests.experiments.calibrations import stored_calibration
from tests.experiments.study_inputs import mapped_directory
from tests.photonic.chips import Place, leaves, other_values, put, rehash

LAB = load_hardware("soi_lab_good")
CHECKPOINT = mapped_directory().parent / "checkpoint"

UNKNOWN = {
    r"created_by\.commit": "no source tree is at hand to look the commit up in",
    r"provenance\.command": "free text",
    r"provenance\.created": "the time of the export",
    r"provenance\.seed": "mapping draws nothing",
    r"provenance\.is_dirty": "state of the source tree",
    r"provenance\.versions\.(?!lightframe).*": "packages of the machine that exported",
    r"provenance\.config\.checkpoint": "name or path on that machine; its hashes are compared",
}
"""Fields that no check can know, and why; all others are found."""
UNKNOWN_OF_CALIBRATION = {
    r"provenance\.config\.hardware\..*": "calibrate --hardware may name another chip",
    r"provenance\.calibration\.recipe\.(?!methods).*": "how the laboratory measured",
    r"provenance\.calibration\.(chip|programs)_sha256": "files of the calibration, not of the "
    "bundle",
}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("mapped") / "mapped"
    jobs.map_checkpoint(str(CHECKPOINT), LAB, MappingSettings(tile=4), out)
    return out


@pytest.fixture(scope="module")
def calibration(mapped, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("calibration") / "calibration"
    return stored_calibration(load_mapped(mapped), out, LAB)


@pytest.fixture(scope="module", params=["data sheet", "calibrated"])
def original(request, mapped, calibration, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("original") / "chip"
    is_calibrated = request.param == "calibrated"
    request = ExportRequest(calibration=calibration if is_calibrated else None, has_table=False)
    export_bundle(mapped, request, out, "lightframe export")
    return out


@pytest.fixture(scope="module")
def calibrated(mapped, calibration, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("calibrated") / "chip"
    request = ExportRequest(calibration=calibration, has_table=False)
    export_bundle(mapped, request, out, "lightframe export")
    return out


@cache
def network() -> CrystalModel:
    return load_checkpoint(CHECKPOINT)


def refusal(folder: Path) -> str | None:
    """Why a bundle is refused, in one line; None if it passes."""
    return _reason(lambda: verify_bundle(folder, str(CHECKPOINT), has_prediction=False))


def header_refusal(folder: Path, original: ChipExport) -> str | None:
    """The same by the checks of ``verify_bundle`` that read the manifest alone, which are quick."""

    def check() -> None:
        header = read_manifest(folder)
        check_origin(ChipExport(header, original.layers), network())

    return _reason(check)


def _reason(check: Callable[[], object]) -> str | None:
    try:
        check()
    except ValueError as error:
        assert "\n" not in str(error)
        assert len(str(error)) <= 500
        return str(error)
    return None


def is_free(folder: Path, text: str, place: Place, other: object, original: ChipExport) -> bool:
    """True if another value at a place of the manifest is not found."""

    def edit(manifest):
        manifest.clear()
        manifest.update(json.loads(text))
        put(manifest, place, other)

    rehash(folder, edit)
    if header_refusal(folder, original) is not None:
        return False
    # Nothing else reads the provenance.
    return place[0] == "provenance" or refusal(folder) is None


def test_every_value_of_a_manifest_is_checked_or_known_to_be_free(original, tmp_path):
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    text = (original / "manifest.json").read_text()
    assert refusal(folder) is None
    passed, export = {}, read_export(original)
    for place in leaves(json.loads(text)):
        value = json.loads(text)
        for key in place:
            value = value[key]
        for other in other_values(value):
            if other != value and is_free(folder, text, place, other, export):
                passed[place] = other

    def edit_all(manifest):
        manifest.clear()
        manifest.update(json.loads(text))
        for place, other in passed.items():
            put(manifest, place, other)

    rehash(folder, edit_all)
    assert refusal(folder) is None
    names = {".".join(map(str, place)) for place in passed}
    free = UNKNOWN | (UNKNOWN_OF_CALIBRATION if export.header.chip is not None else {})
    assert {name for name in names if not any(re.fullmatch(p, name) for p in free)} == set()
    assert {p for p in free if not any(re.fullmatch(p, name) for name in names)} == set()


def forge_chip(folder: Path, factor: float, layers: slice) -> None:
    """Multiply scales, and state a drawn chip with the norms that it really gives."""

    def edit(manifest):
        for layer in manifest["layers"][layers]:
            layer["scale"] = [[factor * x for x in row] for row in layer["scale"]]
        seed, number = (manifest["chip"] or {"seed": 3}).get("seed"), len(manifest["layers"])
        manifest["chip"] = {"seed": seed, "index": 0, "methods": ["mapping"]}
        manifest["chip"]["weight_norm"] = [0.0] * number

    rehash(folder, edit)
    export = read_export(folder)
    chip = Chip(export.header.hardware, export.header.chip.seed, 0)
    norms = [torch.linalg.norm(x).item() for x in weights_on_chip(export.layers, chip).values()]
    rehash(folder, lambda manifest: manifest["chip"].update(weight_norm=norms))


def test_scales_stand_out_on_the_stated_chip(calibrated, tmp_path):
    folder = Path(shutil.copytree(calibrated, tmp_path / "same"))
    forge_chip(folder, 1.0, slice(None))
    report = verify_bundle(folder, str(CHECKPOINT), has_prediction=False)
    assert max(report.chip_errors.values()) < 1
    for name, factor, layers in (("one", 100.0, slice(3, 4)), ("all", 10.0, slice(None))):
        folder = Path(shutil.copytree(calibrated, tmp_path / name))
        forge_chip(folder, factor, layers)
        with pytest.raises(ValueError, match=r"differs by .*e\+0\d on the calibrated chip"):
            verify_bundle(folder, str(CHECKPOINT), has_prediction=False)


def test_a_data_sheet_bundle_with_a_drawn_chip_is_found(mapped, tmp_path):
    folder = tmp_path / "chip"
    export_bundle(mapped, ExportRequest(has_table=False), folder, "lightframe export")
    forge_chip(folder, 100.0, slice(2, 3))
    with pytest.raises(ChipFileError, match="`chip` contradicts the rest of the bundle"):
        verify_bundle(folder, str(CHECKPOINT), has_prediction=False)


def test_the_checkpoint_is_looked_up_by_its_hashes(original, tmp_path):
    with pytest.raises(ValueError, match=r"none of the shipped checkpoints; name .* --checkpoint"):
        verify_bundle(original, has_prediction=False)
    with pytest.raises(ValueError, match="made of another checkpoint than refractive_index"):
        verify_bundle(original, "refractive_index", has_prediction=False)
    for value, message in (
        (None, "`checkpoint_sha256` is missing"),
        ({}, "made of another checkpoint"),
        ({"config.json": "0" * 64}, "made of another checkpoint"),
    ):
        folder = Path(shutil.copytree(original, tmp_path / "chip", dirs_exist_ok=True))
        rehash(folder, lambda manifest, x=value: manifest.update(checkpoint_sha256=x))
        with pytest.raises(ValueError, match=message):
            verify_bundle(folder, str(CHECKPOINT), has_prediction=False)


def test_import_takes_what_verify_takes(original, tmp_path):
    kept = hashlib.sha256((original / "manifest.json").read_bytes()).hexdigest()
    report = verify_bundle(original, str(CHECKPOINT), has_prediction=False)
    assert report.manifest_sha256 == kept
    arguments = (str(CHECKPOINT), "lightframe import")
    imported, _ = import_bundle(original, tmp_path / "a", *arguments, manifest_sha256=kept)
    assert (imported.record.config["chip"] is None) == (report.chip_errors is None)
    load_mapped(tmp_path / "a")
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    rehash(folder, lambda manifest: manifest["created_by"].update(commit="other"))
    table = tmp_path / "settings.csv"
    table.write_text("id,phase_rad\n0,1.0\n")
    for source, like in ((folder, None), (table, folder)):
        import_bundle(source, tmp_path / f"with {source.name}", *arguments, like)
        with pytest.raises(ChipFileError, match="not the bundle that the hash was kept of"):
            import_bundle(source, tmp_path / "b", *arguments, like, kept)
    rehash(folder, lambda manifest: put(manifest, ("layers", 0, "scale", 0, 0), 1e3))
    for source, like in ((folder, None), (table, folder)):
        with pytest.raises(ValueError, match=r"weights of this checkpoint|as stated"):
            import_bundle(source, tmp_path / "b", *arguments, like)
    assert not (tmp_path / "b").exists()


def run(arguments: list[object], monkeypatch, capsys) -> tuple[int, str, str]:
    """Exit status and what the command line prints."""
    monkeypatch.setattr(sys, "argv", ["lightframe", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    shown = capsys.readouterr()
    return stopped.value.code, shown.out, shown.err


def test_commands_state_and_compare_the_hash(mapped, tmp_path, monkeypatch, capsys):
    chip, out = tmp_path / "chip", tmp_path / "again"
    status, shown, _ = run(["export", mapped, "--out", chip, "--no-hdf5"], monkeypatch, capsys)
    (kept,) = re.findall(r"manifest SHA-256: ([0-9a-f]{64})$", shown, re.MULTILINE)
    assert status == 0
    options = ["--checkpoint", CHECKPOINT, "--manifest-sha256"]
    verify = ["verify", chip, "--no-predict", *options]
    status, shown, _ = run([*verify, kept], monkeypatch, capsys)
    assert (status, kept in shown) == (0, True)
    for arguments in (verify, ["import", chip, "--out", out, *options]):
        status, shown, error = run([*arguments, kept[::-1]], monkeypatch, capsys)
        assert status == 2
        assert re.fullmatch(r"lightframe: error: manifest\.json: its SHA-256 is .*\n", error)
    assert not out.exists()


def test_diff_refuses_what_verify_refuses(original, tmp_path, monkeypatch, capsys):
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    assert run(["diff", original, folder], monkeypatch, capsys)[0] == 0
    rehash(folder, lambda manifest: manifest["units"].update(drive_v="mV"))
    for pair in ((original, folder), (folder, original)):
        status, _, error = run(["diff", *pair], monkeypatch, capsys)
        assert status == 2
        assert error == (
            "lightframe: error: manifest.json: `units` is not what this schema means\n"
        )
