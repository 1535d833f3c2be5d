"""Meshes of trained weights: tiles of a layer of the shipped checkpoint."""

from photonic import Program, map_linear
from photonic.export_formats import TileMesh, tile_meshes

LAYER = "layers.0.update.mix"


def trained_program(mesh: str, tile: int) -> Program:
    """A trained layer on tiles of some size."""
    from models.checkpoint import load_checkpoint

    model = load_checkpoint("refractive_index")
    return map_linear(model.network.get_submodule(LAYER).weight, mesh, tile, LAYER)


def trained_mesh(mesh: str, tile: int) -> TileMesh:
    """Mesh U of its tile (1, 2)."""
    return list(tile_meshes(trained_program(mesh, tile), (1, 2)))[1]
