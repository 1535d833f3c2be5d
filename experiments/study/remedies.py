"""The axis ``remedy``: which methods of a calibration its values name, and what these need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from photonic import HardwareConfig, Program
from photonic.calibration.recipe import METHODS, Method, Recipe
from photonic.hardware.config import suggestion
from photonic.hardware.effects import EFFECTS, Effect

NO_REMEDY = "none"
"""Value of a controller that knows what the chip description says, and nothing of this chip."""
_JOINED = " + "
_ACTS_ON: Mapping[Method, Effect] = {
    "crosstalk": "crosstalk",
    "loss": "loss",
    "couplers": "coupler",
}
"""Effect whose figures a method works with; the others measure whatever they find."""


def methods_of(remedy: object) -> tuple[Method, ...]:
    """Methods of a remedy, in the order in which they are applied; none for "none".

    Args:
        remedy: "none", or names of methods joined by " + ".

    Raises:
        ValueError: if it is another value, or names a method twice.
    """
    if remedy == NO_REMEDY:
        return ()
    if not isinstance(remedy, str):
        raise ValueError(f"a remedy is a text such as 'crosstalk + loss' or 'none', got {remedy!r}")
    words = [word.strip() for word in remedy.split("+")]
    for word in words:
        if word not in METHODS:
            hint = suggestion(word, METHODS) or f"; known: {', '.join(METHODS)}"
            raise ValueError(f"unknown method {word!r} in remedy {remedy!r}{hint}")
    if len(set(words)) < len(words):
        raise ValueError(f"remedy {remedy!r} names a method twice")
    return tuple(method for method in METHODS if method in words)


def remedy_name(methods: Collection[Method]) -> str:
    """The one way to write a remedy: methods in the order in which they are applied."""
    return _JOINED.join(method for method in METHODS if method in methods) or NO_REMEDY


def check_remedy(
    recipe: Recipe,
    hardware: HardwareConfig,
    programs: Iterable[Program],
    varied: Collection[str] = (),
) -> None:
    """Refuse a remedy that has nothing to act on, or cannot measure these tiles.

    Args:
        recipe: methods.
        hardware: chip.
        programs: layers.
        varied: fields that a study varies; a figure of 0 among them is meant.

    Raises:
        ValueError: naming the method and what it needs.
    """
    for method, effect in _ACTS_ON.items():
        is_meant = not set(varied).isdisjoint(EFFECTS[effect])
        if method in recipe.methods and not _has(hardware, effect) and not is_meant:
            fields = ", ".join(EFFECTS[effect])
            raise ValueError(
                f"remedy {method!r} has nothing to act on: {hardware.name} has none of {fields}"
            )
    for program in programs:
        rows, columns = program.tile_shape
        if "identity" in recipe.methods and rows != columns:
            raise ValueError(
                f"remedy 'identity' needs square tiles, {program.name!r} has {rows} x {columns}; "
                "choose a number of modes as `tile`"
            )


def _has(hardware: HardwareConfig, effect: Effect) -> bool:
    return hardware.has_crosstalk if effect == "crosstalk" else hardware.has(effect)
