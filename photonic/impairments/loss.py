"""Loss of the MZIs, of their arms and of the waveguides beside them."""

import numpy as np
from numpy.typing import NDArray

from photonic.layout import MeshLayout
from photonic.streams import Draws


def insertion_losses(
    mean_db: float, std_db: float, shape: tuple[int, ...], generator: Draws
) -> NDArray[np.float64] | None:
    """Losses L = max(0, mean + std n), one per MZI and equal on both of its modes.

    Args:
        mean_db: [dB of power] mean.
        std_db: [dB] standard deviation.
        shape: shape of the MZIs.
        generator: source of randomness.

    Returns:
        ``shape`` [dB], or None if both figures are 0.

    Source: Fang et al., Opt. Express 27, 14009 (2019) (loss per element); floor 0 assumed.
    """
    if not std_db:
        return np.full(shape, mean_db) if mean_db else None
    losses = generator.normal(mean_db, std_db, shape)
    return np.maximum(losses, 0.0, out=losses)


def arm_losses(
    mean_db: float, std_db: float, shape: tuple[int, ...], generator: Draws
) -> NDArray[np.float64] | None:
    """Losses L = max(0, mean + std n) of the six arm sections of each MZI, independent.

    Args:
        mean_db: [dB of power] mean of a section.
        std_db: [dB] standard deviation of a section.
        shape: shape of the MZIs.
        generator: source of randomness.

    Returns:
        (``shape``, 3, 2) [dB] loss of the upper and the lower arm before the first coupler, between
        the couplers and behind the second one; None if both figures are 0.

    Source: Fang et al., Opt. Express 27, 14009 (2019) (loss per element).
    """
    return insertion_losses(mean_db, std_db, (*shape, 3, 2), generator)


def edge_losses(layout: MeshLayout, edge_db: float) -> NDArray[np.float64] | None:
    """Loss of the modes in the columns where they meet no MZI, as losses of arm sections.

    A mode loses edge_db in each such column. The loss is moved along its waveguide to the section
    before the first coupler of its next MZI or, if there is none, to the section behind the second
    coupler of its last one. That is exact: losses and shifters of one waveguide commute.

    Args:
        layout: wiring of the mesh.
        edge_db: [dB of power] loss of a mode in one column.

    Returns:
        (M, 3, 2) [dB] to add to ``arm_losses``; None if the loss is 0, no mode skips a column, or
        the mesh is a single waveguide.

    Raises:
        ValueError: if a mode of a larger mesh meets no MZI at all, so that none can carry its loss.

    Source: derived.
    """
    if not edge_db or layout.num_modes == 1 or not layout.num_columns:
        return None
    losses = np.zeros((layout.num_mzis, 3, 2))
    for mode in range(layout.num_modes):
        is_lower = layout.partner == mode
        mzis = np.flatnonzero((layout.mode == mode) | is_lower)
        if not len(mzis):
            raise ValueError(
                f"mode {mode} of the mesh meets no MZI that could carry `edge_loss_db`"
            )
        arms = is_lower[mzis].astype(np.intp)
        columns = layout.column[mzis]
        losses[mzis, 0, arms] = edge_db * (np.diff(columns, prepend=-1) - 1)
        losses[mzis[-1], 2, arms[-1]] = edge_db * (layout.num_columns - 1 - columns[-1])
    return losses if losses.any() else None


def loss_gain(mean_db: float, num_crossed: float) -> float:
    """Amplitude gain 10^(mean_db num_crossed/20) that undoes the mean loss of MZIs in series.

    Args:
        mean_db: [dB of power] mean loss per MZI.
        num_crossed: mean number of MZIs that light crosses.

    Returns:
        Factor >= 1 on the field.
    """
    return 10 ** (mean_db * num_crossed / 20)
