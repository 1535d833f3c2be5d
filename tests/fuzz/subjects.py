"""Real files of every kind that users hand to Lightframe, and what reads them."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from experiments.calibration import chip_file, load_calibration
from experiments.chips_run import ChipStudy
from experiments.cli import main
from experiments.mapped import MappedModel, load_mapped
from experiments.results import RESULT_FILE, read_results
from experiments.study import open_study
from experiments.study.description import load_study
from experiments.study.inputs import Inputs
from experiments.study.tables import print_study
from experiments.sweep import NOISE_KINDS, sweep_settings
from models import load_checkpoint, load_dataset
from photonic import Chip, load_hardware
from photonic.channel_map import load_channel_map
from photonic.chipfile import diff_exports, export_program, read_export, verify_export
from photonic.drive_laws import load_laws
from photonic.export_formats.npz import npz_bytes, read_npz
from tests.experiments.calibrations import stored_calibration
from tests.experiments.study_inputs import HERE, mapped_directory, study, study_file
from tests.fuzz import Files, Subject, files_of
from tests.fuzz.mutations import Content
from tests.fuzz.structures import structure_subjects
from tests.fuzz.workers import Refused
from tests.photonic.chips import PROVENANCE, network


def subjects() -> list[Subject]:
    """All kinds; a small mapped model, a study and a bundle are made for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapped = load_mapped(mapped_directory())
        return [*structure_subjects(mapped), *_tables(), *_models(mapped), *_words()]


# Descriptions and tables


def _tables() -> list[Subject]:
    rows = "".join(f"{n},{n // 8},{n % 8}\n" for n in range(32))
    blocks = "channels_per_module: 8\nblocks:\n- {first_id: 0, count: 16, module: 0}\n" + (
        "- {first_id: 16, count: 16, module: 2, first_channel: 0}\n"
    )
    trace = "time_s,temperature_k\n" + "".join(f"{t},{300 + t / 100}\n" for t in range(0, 100, 10))
    matrix = "1,0.1,0\n0.1,1,0.1\n0,0.1,1\n"
    chip = (_CONFIGS / "soi_lab_good.yaml").read_text()
    with_tables = chip + (
        "\ncrosstalk_rows: {file: rows.csv, source: measured}\n"
        "temperature_trace: {file: trace.csv, source: measured}\n"
    )
    with tempfile.TemporaryDirectory() as place:
        small = study_file(Path(place)).read_bytes()
    large = small + b"sampling: {method: sobol, points: 64}\nquantities: [error, prediction]\n"
    large = large.replace(b"- 0.01", b"- 0.02").replace(
        b"axes:", b"axes:\n  time_s: {from: 0, to: 9}"
    )
    return [
        *(
            Subject(f"chip {name}", {"x.yaml": (_CONFIGS / f"{name}.yaml").read_bytes()}, _hardware)
            for name in ("soi_lab_good", "ficonn_2024", "soi_typical_link")
        ),
        Subject(
            "chip with tables",
            {
                "x.yaml": with_tables.encode(),
                "rows.csv": matrix.encode(),
                "trace.csv": trace.encode(),
            },
            _hardware,
        ),
        Subject("study", {"x.yaml": small}, lambda f: load_study(f / "x.yaml"), weight=2),
        Subject("study by Sobol", {"x.yaml": large}, lambda f: load_study(f / "x.yaml")),
        Subject("channel blocks", {"x.yaml": blocks.encode()}, partial(_channels, name="x.yaml")),
        Subject(
            "channel table",
            {"x.csv": f"id,module,channel\n{rows}".encode()},
            partial(_channels, name="x.csv"),
        ),
        Subject("drive laws", _laws(), lambda f: load_laws(f / "x.yaml"), weight=2),
        Subject("drive laws in JSON", _laws_json(), lambda f: load_laws(f / "x.json")),
    ]


_CONFIGS = Path(__file__).parents[2] / "hardware_configs"


def _hardware(folder: Path) -> None:
    load_hardware(folder / "x.yaml").model_dump_json()


def _channels(folder: Path, name: str) -> None:
    load_channel_map(folder / name, 32)


def _laws() -> dict[str, bytes]:
    text = (
        "laws:\n- {law: voltage, file: laws.csv}\n- {law: current, ids: [17], p0: 0.1, p1: 0.2}\n"
    )
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["id", "p0", "p1", "max_drive"])
    writer.writerows([n, 0.1 * n, 0.2 + 0.01 * n, 5.0] for n in range(16))
    return {"x.yaml": text.encode(), "laws.csv": table.getvalue().encode()}


def _laws_json() -> dict[str, bytes]:
    laws = [{"law": "voltage", "ids": [0, 1, 2], "p0": [0.1, 0.2, 0.3], "p1": [0.2] * 3}]
    return {"x.json": json.dumps({"laws": laws}).encode()}


# Models


def _models(mapped: MappedModel) -> list[Subject]:
    place = Path(tempfile.mkdtemp(prefix="lightframe-fuzz-"))
    try:
        mapping = files_of(mapped_directory())
        checkpoint = {
            path.removeprefix("checkpoint/"): data
            for path, data in mapping.items()
            if path.startswith("checkpoint/")
        }
        small = study(place, axes={"phase_noise_rad": [0.0, 0.1]}, chips=3)
        small.run(place / "out", HERE, is_resumed=False)
        export_program(
            network(), load_hardware("soi_lab_good"), place / "chip", provenance=PROVENANCE
        )
        bundle = files_of(place / "chip")
        return [
            Subject("checkpoint", checkpoint, load_checkpoint, _seal_checkpoint, weight=3),
            Subject("mapped model", mapping, load_mapped, _seal_mapped, weight=3),
            Subject(
                "calibration",
                _calibration(mapped, place),
                partial(_read_calibration, mapped=mapped),
                _seal_calibration,
                weight=2,
            ),
            Subject("study store", files_of(place / "out"), _read_study, weight=3),
            Subject("bundle", bundle, _read_bundle, _seal_bundle, weight=3),
            Subject("programs", {"x.npz": npz_bytes(network())}, lambda f: read_npz(f / "x.npz")),
            Subject("results", {RESULT_FILE: _netcdf(small.inputs, place)}, read_results),
        ]
    finally:
        shutil.rmtree(place)


def _netcdf(inputs: Inputs, place: Path) -> bytes:
    settings = sweep_settings(load_hardware("ideal"), NOISE_KINDS["phase"], [0.0, 0.1])
    axis = NOISE_KINDS["phase"].axis
    swept = ChipStudy(inputs.mapped, inputs.held_out, axis, settings, num_chips=2, seed=5)
    out, _ = swept.run(place / "swept", inputs.mapped.record)
    return (out / RESULT_FILE).read_bytes()


def _calibration(mapped: MappedModel, place: Path) -> dict[str, bytes]:
    return files_of(stored_calibration(mapped, place / "calibration", mapped.hardware))


def _read_calibration(folder: Path, mapped: MappedModel) -> None:
    found = load_calibration(folder, mapped)
    chip = Chip(found.config.hardware, found.config.seed, 0)
    mapped.weights(chip, commands=found(chip))


def _read_study(folder: Path) -> None:
    print_study(open_study(folder))


def _read_bundle(folder: Path) -> None:
    export = read_export(folder)
    verify_export(folder)
    diff_exports(export, export)


def _sha256(data: Content) -> str:
    return hashlib.sha256(data if isinstance(data, bytes) else b"").hexdigest()


def _edit(files: Files, name: str, edit: Callable[[Any], object]) -> None:
    """Change a JSON file in place, if it is one."""
    data = files.get(name)
    if isinstance(data, bytes):
        with contextlib.suppress(
            ValueError, RecursionError, LookupError, TypeError, AttributeError
        ):
            tree = json.loads(data)
            edit(tree)
            files[name] = json.dumps(tree).encode()


def _seal_checkpoint(files: Files, folder: str = "") -> None:
    digest = _sha256(files.get(f"{folder}weights.safetensors", b""))
    _edit(files, f"{folder}config.json", lambda tree: tree.update(weights_sha256=digest))


def _seal_mapped(files: Files) -> None:
    _seal_checkpoint(files, "checkpoint/")
    names = ("config.json", "weights.safetensors")
    digests = {name: _sha256(files.get(f"checkpoint/{name}", b"")) for name in names}
    programs = _sha256(files.get("programs.safetensors", b""))
    _edit(
        files,
        "mapped.json",
        lambda tree: tree.update(checkpoint_sha256=digests, programs_sha256=programs),
    )


def _seal_calibration(files: Files) -> None:
    digest = _sha256(files.get(chip_file(0), b""))
    _edit(files, "calibration.json", lambda tree: tree.update(chip_sha256=[digest]))


def _seal_bundle(files: Files) -> None:
    _edit(files, "manifest.json", lambda tree: _seal_entries(tree, files))
    manifest = _sha256(files.get("manifest.json", b""))
    files["manifest.json.sha256"] = f"{manifest}  manifest.json\n".encode()


def _seal_entries(tree: Any, files: Files) -> None:
    if isinstance(tree, dict) and {"path", "sha256", "num_bytes"} <= tree.keys():
        data = files.get(str(tree["path"]))
        if isinstance(data, bytes):
            tree.update(sha256=_sha256(data), num_bytes=len(data))
    for value in (
        tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    ):
        _seal_entries(value, files)


# Command lines


def _words() -> list[Subject]:
    lines = (
        "predict one.json --out x.csv",
        "predict one.json --on mapped --chips 2 --seed 3",
        "chips show x.yaml --json",
        "results mapped --csv x.csv",
        "diff mapped mapped --json x.json",
        "verify mapped --no-predict",
        "sensitivity mapped --out out --phase-std 0.1",
        "presets mapped --out presets",
        "calibrate mapped --out x --chips 0",
        "sweep mapped --noise phase=0,0.1,x --out noise",
    )
    structure = json.dumps(load_dataset("dielectric").crystals[3].to_structure().as_dict())
    return [
        Subject(
            f"words {line.split()[0]}",
            {"words": line.replace(" ", "\n").encode(), "one.json": structure.encode()},
            _run_words,
            weight=0.5,
        )
        for line in lines
    ]


def _run_words(folder: Path) -> None:
    """As the console script; a heavy command that words turn into is not run."""
    words = [os.fsdecode(word).replace("\0", "") for word in _bytes(folder / "words").split(b"\n")]
    if words[:1] and words[0] not in _CHEAP:
        words[0] = words[0] + "?" if words[0] in _HEAVY else words[0]
    stderr, before = io.StringIO(), (sys.argv, os.getcwd())
    sys.argv = ["lightframe", *words]
    try:
        os.chdir(folder)
        with contextlib.redirect_stderr(stderr):
            main()
    except SystemExit as end:
        text = stderr.getvalue().removesuffix("\n")
        if end.code == 2 and text.startswith("lightframe: error: "):
            raise Refused(text) from None
        if end.code not in (0, None):
            raise RuntimeError(f"status {end.code}: {text}") from None
    finally:
        sys.argv = before[0]
        os.chdir(before[1])


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and path.stat().st_size < 1 << 24 else b"predict"


_CHEAP = {"predict", "chips", "results", "diff", "verify", "sensitivity", "presets", "compare"}
_HEAVY = {
    *("bench", "train", "crossval", "elsewhere", "ablation", "finetune", "demo", "evaluate"),
    *("design", "symmetry", "robustness", "drift", "map", "export", "import", "draw"),
}
