"""Crystals: canonical structures, graphs, the frame-aligned network, data sets, checkpoints."""

from models.checkpoint import CheckpointError, checkpoint_names, load_checkpoint
from models.crystal import Crystal, CrystalError, CrystalWarning
from models.datasets import Dataset, dataset_names, load_dataset
from models.graph import CrystalGraph, GraphSettings, build_graph
from models.labels import Label
from models.model import CrystalModel
from models.network import NetworkConfig, SPFrameNetwork

__all__ = [
    "CheckpointError",
    "Crystal",
    "CrystalError",
    "CrystalGraph",
    "CrystalModel",
    "CrystalWarning",
    "Dataset",
    "GraphSettings",
    "Label",
    "NetworkConfig",
    "SPFrameNetwork",
    "build_graph",
    "checkpoint_names",
    "dataset_names",
    "load_checkpoint",
    "load_dataset",
]
