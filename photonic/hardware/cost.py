"""Fields: component figures for power, area, latency and energy."""

from pydantic import BaseModel, ConfigDict

from photonic.hardware.ranges import Decibel, NotNegative, Positive, Share


class CostFields(BaseModel):
    """Figures of the components; None = not known, and what needs it is not stated."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    modulation_rate_ghz: Positive | None = None
    """Vectors per second that modulators and converters handle [GHz]."""
    program_time_us: NotNegative | None = None
    """Time to load the phases of all resident tiles and let them settle [us]."""
    mzi_length_um: Positive | None = None
    """Length of one interferometer along the light [um]."""
    mzi_width_um: Positive | None = None
    """Width of one interferometer across the light [um]."""
    modulator_area_um2: NotNegative | None = None
    """Footprint of one input modulator [um2]."""
    laser_area_um2: NotNegative | None = None
    """Footprint of the laser [um2]."""
    input_converter_area_um2: NotNegative | None = None
    """Footprint of one input DAC [um2]."""
    output_converter_area_um2: NotNegative | None = None
    """Footprint of one ADC [um2]."""
    detector_area_um2: NotNegative | None = None
    """Footprint of one receiver [um2]."""
    modulator_loss_db: Decibel | None = None
    """Insertion loss of an input modulator [dB]."""
    modulator_energy_fj_per_bit: NotNegative | None = None
    """Energy of an input modulator [fJ/bit]; counted once per symbol, as for on-off signals."""
    detector_sensitivity_dbm: float | None = None
    """Power at a detector before the factor 2^bits [dBm]."""
    laser_wall_plug: Share | None = None
    """Optical over electrical power of the laser."""
    dac_power_mw: NotNegative | None = None
    """Power of one 8-bit input DAC at 14 GS/s [mW]; scales with 2^b/b and the rate."""
    adc_power_mw: NotNegative | None = None
    """Power of one 8-bit SAR ADC at 10 GS/s [mW]; scales with b and the rate."""
    tia_power_mw: NotNegative | None = None
    """Power of one receiver amplifier [mW]."""
    detector_power_mw: NotNegative | None = None
    """Power of one photodetector [mW]."""
    conversion_latency_ns: NotNegative | None = None
    """Delay of input and output converters together [ns]."""
