"""What the commands around chip bundles show."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.bundle_verification import BundleReport
from experiments.console import console, print_table, print_verification
from photonic.chipfile import BundleDiff, ClippedLayer


def parse_tile(text: str) -> tuple[int, int]:
    """Row and column of "0,1".

    Raises:
        ValueError: if the text has another form.
    """
    parts = text.split(",")
    if len(parts) != 2 or not all(
        part.strip().isascii() and part.strip().isdigit() for part in parts
    ):
        raise ValueError(f"--tile takes row,column such as 0,1, got {text!r}")
    return int(parts[0]), int(parts[1])


def print_clipping(layers: Sequence[ClippedLayer]) -> None:
    """What clipping costs; nothing if no phase was out of reach."""
    rows = [
        (
            layer.name,
            str(layer.num_clipped),
            f"{layer.worst_miss_rad:.3f}",
            f"{layer.worst_fidelity:.6f}",
            layer.worst_mesh,
            f"{layer.worst_tile_error:.1e}",
            f"{layer.weight_error:.1e}",
        )
        for layer in layers
    ]
    if not rows:
        return
    header = (
        *("layer", "clipped", "miss [rad]", "trace fidelity", "of"),
        *("tile error", "weight error"),
    )
    print_table("Phases out of reach, replaced by the nearest: worst of each layer", header, rows)
    worst = max(layers, key=lambda layer: layer.worst_miss_rad)
    console.print(f"largest miss: {worst.worst_shifter}, {worst.worst_miss_rad:.3f} rad")


def print_report(report: BundleReport) -> None:
    """Errors of the weights by layer, passivity, predicted test error."""
    print_verification(report.errors)
    if report.chip_errors is not None:
        rows = [(name, f"{error:.1e}") for name, error in report.chip_errors.items()]
        title = "On the simulated chip that the settings were calibrated for"
        print_table(title, ("layer", "relative error"), rows)
    export = report.verification.export
    console.print(
        f"{export.header.num_shifters:,} shifters: hashes, schema, ranges, drives, codes, channels "
        "and tables agree; largest singular value of a tile "
        f"{report.verification.largest_singular_value:.12f}"
    )
    console.print(f"made of checkpoint {report.checkpoint}", soft_wrap=True)
    console.print(f"manifest SHA-256: {report.manifest_sha256}", soft_wrap=True)
    found = report.prediction
    if found is None:
        return
    unit = "" if found.unit == "1" else f" {found.unit}"
    console.print(
        f"{found.label} of {found.num_crystals} held-out crystals: mean absolute error "
        f"{found.digital_mae:.4f}{unit} digital, {found.bundle_mae:.4f}{unit} with {found.source} "
        f"(deviation rms {found.deviation:.1e}{unit})"
    )


def print_diff(changes: BundleDiff) -> None:
    """Changes by layer, the largest ones, and the settling."""
    rows = [
        (
            layer.name,
            f"{layer.num_changed:,} of {layer.num_shifters:,}",
            f"{layer.largest_phase_rad:.4g}",
            f"{layer.rms_phase_rad:.4g}",
            f"{layer.largest_step_rad:.4g}",
            _short(layer.largest_step_mw),
            _short(layer.power_mw),
            str(layer.num_scales),
        )
        for layer in changes.layers
    ]
    header = (
        *("layer", "changed", "max [rad]", "rms [rad]", "step [rad]", "step [mW]"),
        *("total [mW]", "scales"),
    )
    print_table("Changes by layer", header, rows)
    largest = [
        (
            change.name,
            f"{change.phase_rad:+.4g}",
            f"{change.thermal_step_rad:+.4g}",
            _short(change.power_mw),
            _short(change.drive_v),
            "-" if change.dac_code is None else f"{change.dac_code:+d}",
        )
        for change in changes.largest
    ]
    if largest:
        names = ("shifter", "phase [rad]", "step [rad]", "step [mW]", "drive [V]", "code")
        print_table("Largest thermal steps", names, largest)
    console.print(_settling(changes))


def _settling(changes: BundleDiff) -> str:
    text = f"{changes.num_changed:,} shifters change; largest thermal step "
    text += f"{changes.largest_step_rad:.4g} rad"
    if changes.settling_us is not None:
        text += f", settled to {changes.settled_rad:.1e} rad after {changes.settling_us:.4g} us"
    elif changes.program_time_us is not None:
        text += f"; the data sheet allows {changes.program_time_us:g} us to load and settle"
    else:
        text += "; no time constant is known: give --time-constant for the settling time"
    return text


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4g}"
