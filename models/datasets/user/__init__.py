"""Crystals of the user: structure files, labelled folders, and the published benchmark sets."""

from models.crystal.check import MAX_NEIGHBOUR_DISTANCE, MAX_SITES, check_usable
from models.crystal.found import NamedCrystal, Skipped
from models.crystal.read import read_structure_file
from models.datasets.user.dataset import LabelInfo, UserDataset
from models.datasets.user.folder import load_folder
from models.datasets.user.jarvis import load_jarvis
from models.datasets.user.matbench import load_matbench
from models.datasets.user.megnet import load_megnet

__all__ = [
    "MAX_NEIGHBOUR_DISTANCE",
    "MAX_SITES",
    "LabelInfo",
    "NamedCrystal",
    "Skipped",
    "UserDataset",
    "check_usable",
    "load_folder",
    "load_jarvis",
    "load_matbench",
    "load_megnet",
    "read_structure_file",
]
