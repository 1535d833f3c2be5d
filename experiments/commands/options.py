"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CHECKPOINT = "refractive_index"
DEFAULT_AUXILIARY = "dielectric:gap,dielectric:eps_t,elastic:K,elastic:G,formation:ef,piezo:eij_max"


class Disorder(StrEnum):
    """What becomes of partly occupied sites."""

    refuse = "refuse"
    order = "order"
    average = "average"


class Mesh(StrEnum):
    """Wiring of the meshes."""

    clements = "clements"
    reck = "reck"


Out = Annotated[Path, typer.Option("--out", help="Directory to create; must not exist.")]
Checkpoint = Annotated[
    str, typer.Option("--checkpoint", help="Directory, or name of a shipped checkpoint.")
]
OtherCheckpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        help=f"Directory, or name of a shipped checkpoint; default: {DEFAULT_CHECKPOINT}.",
    ),
]
BundleCheckpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        help="Directory, or name of a shipped checkpoint, that the bundle was made of; default: "
        "the shipped one with its hashes.",
    ),
]
ManifestHash = Annotated[
    str | None,
    typer.Option(
        "--manifest-sha256",
        metavar="HASH",
        help="Hash that export printed and that was kept elsewhere; other bundles are refused.",
    ),
]
On = Annotated[
    Path | None, typer.Option("--on", metavar="MAPPED", help="Use chips of a mapped model too.")
]
Mapped = Annotated[Path, typer.Argument(metavar="MAPPED", help="Directory written by map.")]
Chips = Annotated[
    int, typer.Option("--chips", min=1, max=100_000, help="Independently drawn chips.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all draws.")]
OtherHardware = Annotated[
    str | None,
    typer.Option("--hardware", help="Chip name or YAML file; default: the one mapped for."),
]
Without = Annotated[
    list[str] | None, typer.Option("--without", help="Effect to switch off; repeat for several.")
]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="Effect to keep, all others off; repeat.")
]
Limit = Annotated[
    int | None,
    typer.Option("--crystals", min=1, help="Use only the first held-out crystals."),
]
