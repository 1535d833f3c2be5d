"""The same model on different chips: mapped for each of them, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from experiments.chips_run import ChipSetting
from experiments.mapped import MappedModel, MappingSettings, map_model
from experiments.results import Axis
from photonic import HardwareConfig

HARDWARE = Axis("hardware", "1", "Chip")


def settings_for(
    hardware: HardwareConfig, tile: int = 16, mesh: str = "clements"
) -> MappingSettings:
    """How a model is laid out on a chip: its own wiring, tiles as large as it carries.

    Args:
        hardware: chip description.
        tile: modes per tile on a chip that carries as many.
        mesh: wiring on a chip that does not fix it.

    Returns:
        Tiles take turns where the chip does not hold all of them.
    """
    limit = tile if hardware.max_modes is None else min(tile, hardware.max_modes)
    return MappingSettings(
        mesh=hardware.mesh or mesh, tile=limit, is_time_multiplexed=hardware.num_tiles is not None
    )


def preset_settings(
    mapped: MappedModel,
    chips: Sequence[HardwareConfig],
    on_chip: Callable[[], None] = lambda: None,
) -> list[ChipSetting]:
    """One setting per chip description, each with the model mapped for it.

    Args:
        mapped: gives the model; its wiring and tile size are used where a chip allows it.
        chips: descriptions with different names.
        on_chip: called after each mapping.

    Raises:
        ValueError: if two descriptions share a name.
    """
    names = [chip.name for chip in chips]
    if len(set(names)) < len(names):
        raise ValueError(f"chips must have different names, got {', '.join(names)}")
    tile = mapped.settings.tile
    settings = []
    for chip in chips:
        layout = settings_for(chip, 16 if tile == "full" else tile, mapped.settings.mesh)
        own = map_model(mapped.model, chip, layout, mapped.record)
        settings.append(ChipSetting(chip.name, chip, mapped=own))
        on_chip()
    return settings
