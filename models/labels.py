"""Labels: what the network predicts, in which unit, and how it is standardised."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

LOG10_FLOORS = {
    "n": 0.0,
    "eps_e": 0.0,
    "eps_t": 0.0,
    "K": 0.0,
    "G": 0.0,
    "A": 0.0,
    "eij_max": 0.01,
}
"""Labels fitted as log10, with the floor in the label's unit that is applied before it; all others
are fitted as they are. ``eij_max`` reaches 1e-5 C/m^2 by symmetry or noise, hence its floor."""


class Label(BaseModel):
    """One predicted quantity.

    The network works with y = (f(value) - mean) / std, f the identity or log10.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    """Name in the data set and in predictions, e.g. ``n``."""
    dataset: str
    """Data set that the label comes from."""
    unit: str
    """Unit of the value; ``1`` if it has none."""
    description: str
    """One line for tables."""
    transform: Literal["identity", "log10"]
    """f; heavy-tailed positive quantities are fitted as log10."""
    floor: float = Field(default=0.0, ge=0)
    """Smallest value before the logarithm, in the label's unit."""
    mean: float
    """Mean of f(value) over the training crystals."""
    std: float = Field(gt=0)
    """Standard deviation of f(value) over the training crystals."""

    @classmethod
    def fit(
        cls, name: str, dataset: str, unit: str, description: str, values: NDArray[np.float64]
    ) -> Label:
        """The label standardised by the given training values (N,).

        Raises:
            ValueError: if a value that is fitted as log10 is not positive.
        """
        transform: Literal["identity", "log10"] = "log10" if name in LOG10_FLOORS else "identity"
        floor = LOG10_FLOORS.get(name, 0.0)
        if transform == "log10" and floor == 0 and values.min() <= 0:
            raise ValueError(f"{name} is fitted as log10 and must be positive, got {values.min()}")
        transformed = _forward(values, transform, floor)
        return cls(
            name=name,
            dataset=dataset,
            unit=unit,
            description=description,
            transform=transform,
            floor=floor,
            mean=float(transformed.mean()),
            std=float(transformed.std()),
        )

    def standardise(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) standardised values of (N,) values in the label's unit."""
        return (_forward(values, self.transform, self.floor) - self.mean) / self.std

    def to_physical(self, standardised: NDArray[np.float64]) -> NDArray[np.float64]:
        """(...) values in the label's unit of (...) standardised ones; infinite if beyond range."""
        value = standardised * self.std + self.mean
        if self.transform == "identity":
            return value
        with np.errstate(over="ignore"):
            return 10.0**value


def _forward(values: NDArray[np.float64], transform: str, floor: float) -> NDArray[np.float64]:
    return np.log10(np.maximum(values, floor)) if transform == "log10" else values
