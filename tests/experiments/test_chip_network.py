"""Networks on chips with noisy light: the fast way without noise, limits, strength and keys."""

import pytest
import torch
from torch import Tensor

from experiments.chip_network import OpticalLinear, block_outputs, chip_model, chip_outputs
from experiments.evaluation import HeldOut
from experiments.mapped import MappedModel, dense_layers
from photonic import Chip, HardwareConfig, load_hardware
from tests.tolerances import IDEAL_CHIP_F32

IDEAL = load_hardware("ideal")
DETECTOR = {
    "received_power_uw": 100.0,
    "responsivity_a_per_w": 1.0,
    "tia_noise_pa_per_sqrt_hz": 5.0,
    "bandwidth_ghz": 1.0,
}
NOISY = IDEAL.replace(
    input_bits=8, modulator_extinction_db=25.0, laser_rin_db_per_hz=-150.0, adc_bits=8, **DETECTOR
)


def outputs(mapped: MappedModel, held_out: HeldOut, hardware: HardwareConfig, **key: int) -> Tensor:
    chip = Chip(hardware, key.get("seed", 0), key.get("index", 0))
    return chip_outputs(mapped, held_out.batches, chip, key.get("shot", 0))


def test_without_noise_of_the_light_a_chip_is_its_weights(
    mapped: MappedModel, held_out: HeldOut
) -> None:
    chip = Chip(mapped.hardware.without("modulator", "laser_noise", "detector", "adc"), 3, 1)
    weights = mapped.weights(chip, shot=2)
    expected = mapped.model.standardised(held_out.batches, weights)
    assert torch.equal(chip_outputs(mapped, held_out.batches, chip, 2), expected)


def test_perfect_links_predict_as_the_weights_do(mapped: MappedModel, held_out: HeldOut) -> None:
    """Every layer through its tiles, without a figure that disturbs."""
    chip = Chip(mapped.hardware, 3, 1)
    expected = mapped.model.standardised(held_out.batches, mapped.weights(chip))
    silent = mapped.hardware.without("modulator", "laser_noise", "detector", "adc")
    found = chip_model(mapped, Chip(silent, 3, 1)).standardised(held_out.batches)
    difference = ((found - expected).abs().max() / expected.abs().max()).item()
    assert difference <= IDEAL_CHIP_F32, f"relative difference {difference:.1e}"


def test_all_dense_layers_are_tensor_cores(mapped: MappedModel) -> None:
    before = {name: parameter.clone() for name, parameter in named_tensors(mapped)}
    model = chip_model(mapped, Chip(NOISY))
    replaced = {
        name for name, module in model.network.named_modules() if isinstance(module, OpticalLinear)
    }
    assert replaced == mapped.programs.keys()
    assert not list(dense_layers(model.network))
    assert {name for name, _ in dense_layers(mapped.model.network)} == replaced
    assert all(torch.equal(before[name], parameter) for name, parameter in named_tensors(mapped))


def named_tensors(mapped: MappedModel) -> list[tuple[str, Tensor]]:
    return list(mapped.model.network.state_dict().items())


@pytest.mark.parametrize(
    "settings",
    [
        [{"input_bits": bits} for bits in (14, 8, 4)],
        [{"modulator_extinction_db": ratio} for ratio in (60.0, 30.0, 15.0)],
        [{"laser_rin_db_per_hz": rin, "bandwidth_ghz": 1.0} for rin in (-170.0, -145.0, -120.0)],
        [DETECTOR | {"received_power_uw": power} for power in (10_000.0, 100.0, 10.0)],
        [{"adc_bits": bits} for bits in (14, 8, 4)],
    ],
    ids=["input_bits", "extinction", "rin", "power", "adc_bits"],
)
def test_worse_links_err_more(
    settings: list[dict[str, float]], mapped: MappedModel, held_out: HeldOut
) -> None:
    ideal = outputs(mapped, held_out, IDEAL)
    found = [outputs(mapped, held_out, IDEAL.replace(**figures)) for figures in settings]
    errors = [(each - ideal).square().mean().item() for each in found]
    assert errors[0] > 0 and errors == sorted(set(errors)), errors


def test_equal_keys_give_equal_bits(mapped: MappedModel, held_out: HeldOut) -> None:
    key = {"seed": 4, "index": 2, "shot": 1}
    first = outputs(mapped, held_out, NOISY, **key)
    assert torch.equal(first, outputs(mapped, held_out, NOISY, **key))
    for change in ({"seed": 5}, {"index": 3}, {"shot": 2}):
        assert not torch.equal(first, outputs(mapped, held_out, NOISY, **key | change))


def test_losses_make_receivers_noisier(mapped: MappedModel, held_out: HeldOut) -> None:
    """Compensated losses leave the mean weight and amplify the noise of the receivers."""
    figures = DETECTOR | {"is_loss_compensated": True}
    errors = []
    for loss_db in (0.0, 0.2):
        hardware = IDEAL.replace(insertion_loss_db=loss_db, **figures)
        noiseless = outputs(mapped, held_out, hardware.without("detector"))
        errors.append((outputs(mapped, held_out, hardware) - noiseless).square().mean().item())
    assert errors[1] > errors[0] > 0, errors


def test_no_crystals_give_no_outputs(mapped: MappedModel) -> None:
    assert chip_outputs(mapped, [], Chip(NOISY)).shape == (0, len(mapped.model.labels))


def test_a_block_of_chips_is_its_chips_one_by_one(mapped: MappedModel, held_out: HeldOut) -> None:
    """Noisy light or not, other descriptions beside, and graphs in any number of batches."""
    chips = [Chip(mapped.hardware, 3, i) for i in range(2)] + [Chip(NOISY, 3, 1), Chip(IDEAL)]
    one_by_one = [chip_outputs(mapped, held_out.batches, chip) for chip in chips]
    assert torch.equal(block_outputs(mapped, held_out.batches, chips), torch.stack(one_by_one))
    assert not torch.equal(one_by_one[0], one_by_one[1])
    expected = mapped.model.standardised(held_out.batches, mapped.weights(chips[0]))
    twice = block_outputs(mapped, [*held_out.batches, *held_out.batches], chips[:2])
    assert torch.equal(twice[0], torch.cat([expected, expected]))
    assert torch.equal(twice[1, : len(expected)], one_by_one[1])
