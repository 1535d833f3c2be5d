"""Small jobs of every command that writes: what is run, and which jobs make its inputs."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

STUDY = """
mapped: {mapped}
axes: {{phase_noise_rad: [0.01, 0.1], dac_bits: [6, 8]}}
chips: 6
seed: 3
crystals: 3
"""
TRAINING = (
    *("--dataset=dielectric", "--auxiliary=dielectric:gap", "--batch-size=64", "--dropout=0.1"),
    *("--graph=num_neighbours=4", "--network=width=8", "--network=num_layers=1"),
    *("--network=num_scalars=8", "--network=num_vectors=2", "--device=cpu"),
)
FEW = ("--chips", "2", "--crystals", "3")


@dataclass(frozen=True)
class Job:
    """A command that writes ``out``, in a folder of its own."""

    name: str
    """Unique; its undisturbed output is the input of others."""
    arguments: tuple[str, ...]
    """Of ``lightframe``; {name} is the undisturbed output of another job, {inputs} a folder."""
    out: str = "out"
    """File or directory that appears."""
    again: tuple[str, ...] = ()
    """Further arguments of a run that goes on."""
    weight: int = 4
    """Share of the kills."""


def jobs() -> tuple[Job, ...]:
    """All jobs, those that make inputs before those that use them."""
    found = [
        Job("train", ("train", "--out=out", "--epochs=4", *TRAINING), weight=12),
        Job("map", ("map", "--checkpoint={train}", "--tile=4", "--out=out"), weight=10),
        Job("sweep", ("sweep", "{map}", "--noise=phase=0,0.05", *FEW, "--out=out"), weight=10),
        Job(
            "study",
            ("sweep", "{inputs}/study.yaml", "--block=2", "--out=out"),
            again=("--resume",),
            weight=12,
        ),
        Job("drift", ("drift", "{map}", "--hours=0,24", *FEW, "--out=out"), weight=8),
        Job(
            "calibrate",
            ("calibrate", "{map}", "--method=crosstalk,loss", *FEW, "--out=out"),
            weight=8,
        ),
        Job("export", ("export", "{map}", "--out=out"), weight=8),
        Job("table", ("export", "{map}", "--format=csv", "--out=out")),
        Job("npz", ("export", "{map}", "--format=npz", "--out=out")),
        Job("import", ("import", "{export}", "--checkpoint={train}", "--out=out")),
        Job(
            "design",
            (
                *("design", "--checkpoint={train}", "--tiles=4,8", "--meshes=clements"),
                *("--orders=descending,random", "--chips=1", "--crystals=3", "--out=out"),
            ),
            weight=6,
        ),
        Job(
            "finetune",
            (
                *("finetune", "--checkpoint={train}", "--tile=4", "--epochs=2"),
                *("--validation-chips=1", "--out=out"),
            ),
            weight=6,
        ),
        Job(
            "crossval",
            ("crossval", "--folds=0,1", "--epochs=1", *TRAINING, "--out=out"),
            weight=3,
        ),
        Job(
            "ablation",
            (
                *("ablation", "--variants=none,identity", "--seeds=0", "--epochs=1"),
                *(*TRAINING, "--out=out"),
            ),
            weight=2,
        ),
        Job(
            "predict",
            ("predict", "{inputs}/crystals", "--checkpoint={train}", "--out=out.csv"),
            out="out.csv",
        ),
        Job(
            "predict-chips",
            ("predict", "{inputs}/crystals", "--on={map}", "--chips=2", "--out=out.json"),
            out="out.json",
        ),
        Job("csv", ("results", "{study}", "--csv=out.csv"), out="out.csv"),
        Job("netcdf", ("results", "{study}", "--netcdf=out.nc"), out="out.nc"),
        Job("sensitivity", ("sensitivity", "{map}", "--out=out"), weight=1),
        Job(
            "evaluate",
            ("evaluate", "--checkpoint={train}", "--out=out.json"),
            out="out.json",
            weight=1,
        ),
        Job("presets", ("presets", "{map}", "--hardware=ideal", *FEW, "--out=out"), weight=2),
        Job("diff", ("diff", "{export}", "{export}", "--json=out.json"), out="out.json", weight=2),
    ]
    if importlib.util.find_spec("pyarrow"):
        found.append(Job("parquet", ("results", "{study}", "--parquet=out.parquet"), "out.parquet"))
    return tuple(found)


def write_inputs(folder: Path, mapped: Path) -> None:
    """A study file, and a few crystals of the shipped data."""
    from models.datasets import load_dataset

    (folder / "crystals").mkdir(parents=True)
    for number, crystal in enumerate(load_dataset("dielectric").crystals[:4]):
        crystal.to_structure().to(str(folder / "crystals" / f"{number}.cif"))
    (folder / "study.yaml").write_text(STUDY.format(mapped=mapped), encoding="utf-8")
