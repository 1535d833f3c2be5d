"""What a training run must remember to go on after a stop: one atomic safetensors file."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.network import SPFrameNetwork
from photonic.files import write_atomic

STATE_FILE = "training_state.safetensors"


class TrainingState:
    """Weights, their running average, the best average so far, optimiser moments, history.

    Attributes:
        network: being trained.
        optimiser: of its parameters.
        averaged: state dict of exponentially averaged weights.
        best: the averaged weights with the smallest validation error so far; the newest ones if
            nothing validates.
        history: one row per finished epoch.
    """

    def __init__(self, network: SPFrameNetwork, optimiser: torch.optim.Optimizer) -> None:
        self.network = network
        self.optimiser = optimiser
        self.averaged = _copy(network.state_dict())
        self.best = _copy(self.averaged)
        self.history: list[dict[str, float]] = []
        self.num_steps = 0

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the smallest validation error; the last one without any."""
        errors = [row.get("validation_mae", -index) for index, row in enumerate(self.history)]
        return min(range(len(errors)), key=errors.__getitem__)

    def update_average(self, decay: float) -> None:
        """a <- d a + (1 - d) w with d = min(decay, (1 + t) / (10 + t)) at step t."""
        self.num_steps += 1
        decay = min(decay, (1 + self.num_steps) / (10 + self.num_steps))
        state = self.network.state_dict()
        real = [name for name, value in state.items() if value.is_floating_point()]
        averages, values = ([tensors[name] for name in real] for tensors in (self.averaged, state))
        torch._foreach_lerp_(averages, values, 1 - decay)
        for name in state.keys() - set(real):
            self.averaged[name].copy_(state[name])

    def finish_epoch(self, row: dict[str, float]) -> None:
        """Append to the history and keep the averaged weights if they are the best so far."""
        self.history.append(row)
        if self.best_epoch == self.epoch - 1:
            self.best = _copy(self.averaged)

    def store(self, directory: Path) -> None:
        """Write everything to ``directory``; a reader sees the old or the new file, never half."""
        tensors = {
            f"{part}/{name}": tensor.contiguous()
            for part, state in (
                ("network", self.network.state_dict()),
                ("averaged", self.averaged),
                ("best", self.best),
            )
            for name, tensor in state.items()
        }
        for index, moments in self.optimiser.state_dict()["state"].items():
            for name, tensor in moments.items():
                tensors[f"optimiser/{index}/{name}"] = tensor
        metadata = {"history": json.dumps(self.history), "num_steps": str(self.num_steps)}
        data = save({name: tensor.cpu() for name, tensor in _copy(tensors).items()}, metadata)
        write_atomic(directory / STATE_FILE, data)

    def restore(self, directory: Path) -> None:
        """Continue from the state in ``directory``, if there is one.

        Raises:
            ValueError: if the file is damaged or belongs to another network.
        """
        path = directory / STATE_FILE
        if not path.exists():
            return
        try:
            self._read(path)
        except (SafetensorError, KeyError, RuntimeError, json.JSONDecodeError) as error:
            line = str(error).splitlines()[0]
            raise ValueError(f"{path} cannot be continued ({line}); delete it") from None

    def _read(self, path: Path) -> None:
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "averaged": {}, "best": {}}
        moments: dict[int, dict[str, Tensor]] = {}
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  (not a dict)
                part, _, name = key.partition("/")
                if part == "optimiser":
                    index, _, moment = name.partition("/")
                    moments.setdefault(int(index), {})[moment] = file.get_tensor(key)
                else:
                    parts[part][name] = file.get_tensor(key)
            metadata = file.metadata()
        self.network.load_state_dict(parts["network"])
        device = self.network.element_features.device
        for own, part in ((self.averaged, "averaged"), (self.best, "best")):
            own.update({name: tensor.to(device) for name, tensor in parts[part].items()})
        self.history = json.loads(metadata["history"])
        self.num_steps = int(metadata["num_steps"])
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}
