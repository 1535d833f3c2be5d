"""Driver modules of Qontrol on one serial port: their channels and full scales.

Source: takeqontrol/api, qontrol.py 1.1.1, DEVICE_PROPERTIES (Q8iv, Q8b); data sheets (Q8a, Q8bi).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FULL_MA = {"Q8iv": 24.0, "Q8b": 83.333333, "Q8a": 100.0, "Q8bi": 100.0}
"""[mA] full scale of the current by kind of module."""
_FULL_V = 12.0
_NUM_CHANNELS = 8


@dataclass(frozen=True, kw_only=True)
class QontrolModule:
    """One module of 8 channels.

    Raises:
        ValueError: for a name that is none, or an unknown kind.
    """

    name: str
    """Name of the module in the channel map."""
    kind: str = "Q8iv"
    """Q8iv, Q8b, Q8a or Q8bi."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a name of a module")
        if self.kind not in _FULL_MA:
            raise ValueError(f"a Qontrol module is one of {', '.join(_FULL_MA)}, got {self.kind!r}")

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return _NUM_CHANNELS

    @property
    def full_v(self) -> float:
        """[V] full scale of the voltage (VFULL)."""
        return _FULL_V

    @property
    def full_ma(self) -> float:
        """[mA] full scale of the current (IFULL)."""
        return _FULL_MA[self.kind]


@dataclass(frozen=True, kw_only=True)
class QontrolChain:
    """Modules behind one serial port; their channels are counted through, in this order.

    Raises:
        ValueError: if the name is none, there is no module or a module occurs twice.
    """

    name: str
    """Name of the port, and of its script."""
    modules: tuple[QontrolModule, ...]
    """Modules from the first of the daisy chain on."""

    def __post_init__(self) -> None:
        names = [module.name for module in self.modules]
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a name of a chain")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"chain {self.name} must have different modules, got {names}")

    @property
    def num_channels(self) -> int:
        """Number of channels of all modules."""
        return sum(module.num_channels for module in self.modules)

    def module_at(self, channel: int) -> QontrolModule:
        """The module of a channel of the chain."""
        for module in self.modules:
            if channel < module.num_channels:
                return module
            channel -= module.num_channels
        raise ValueError(f"chain {self.name} has {self.num_channels} channels only")
