"""What the numbers of a bundle mean, in words, for readers without this program."""

from __future__ import annotations

from photonic.chipfile.records import Convention, DriveWords
from photonic.drive import phase_full_scale
from photonic.hardware import HardwareConfig

CONVENTION = Convention(
    phi_side="in",
    arm="single",
    cross_at_theta=0,
    mode_zero="top",
    time_sign="+",
    output_screen=True,
)

CONVENTION_TEXT = [
    "out = U in, element U[output mode, input mode]; modes are counted from 0 at the top",
    "a hotter path multiplies the field by exp(+i phase)",
    "coupler: [[cos pi/4, i sin pi/4], [i sin pi/4, cos pi/4]]",
    "interferometer on modes (m, m + 1): coupler diag(exp(i theta), 1) coupler diag(exp(i phi), 1)",
    "light meets phi first; theta = 0 sends all light across, theta = pi none",
    "columns are counted from 0 at the input; output phases follow the last column",
    "attenuator: an interferometer used from its upper input to its upper output",
    "tile: scale Re(U[:, :r] diag(sigma) V[:r, :]); light meets V, then the r attenuators, then U",
    "weight: tiles side by side by tile row and tile column, cropped to out_features x in_features",
]

UNITS = {
    "id": "number of the shifter on the whole chip",
    "phase_rad": "rad, phase that the light should meet, in [0, 2 pi)",
    "phase_cmd_rad": "rad, phase that the heater is driven for, above its bias",
    "bias_rad": "rad, phase without drive, p0 of the calibration law",
    "drive_v": "V, heater voltage; null if it is not known",
    "drive_ma": "mA, heater current; to 1 nA where it follows from the voltage",
    "power_mw": "mW, heater power, to 1 nW",
    "dac_code": "integer, null if the drive is continuous",
    "dac_module": "driver module",
    "dac_channel": "channel within the module",
    "scale": "factor of Re(U diag(sigma) V), applied by the electronics",
}

_CROSSTALK = {
    "lattice": "phase_cmd_rad + crosstalk (sum over neighbours)",
    "distance": "Omega phase_cmd_rad, Omega by the law of distance",
    "matrix": "crosstalk_rows phase_cmd_rad",
}


def drive_words(hardware: HardwareConfig) -> DriveWords:
    """The laws of a hardware, written out."""
    if hardware.dac_bits is None:
        code = "none: the drive is continuous"
    elif hardware.dac_mode == "voltage":
        code = (
            "drive = full_scale dac_code/(2^dac_bits - 1), full_scale = v_max_v, "
            "or max_drive of the law for currents"
        )
    else:
        code = "phase_cmd_rad = phase_full_scale_rad dac_code/(2^dac_bits - 1)"
    heated = "phase_cmd_rad"
    if hardware.is_precompensated:
        heated = f"{_CROSSTALK[hardware.crosstalk_law]} in U and V, phase_cmd_rad in sigma"
    return DriveWords(
        drive="phase_cmd_rad = law(drive) without p0; the laws of each layer are in `calibration`",
        code=code,
        crosstalk=f"phase_rad = bias_rad + {heated}, modulo 2 pi",
        phase_full_scale_rad=phase_full_scale(hardware),
    )
