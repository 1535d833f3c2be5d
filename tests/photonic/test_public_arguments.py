"""Arguments of all public calls: the wrong are refused by name, the right work in any form."""

import re
from typing import Any

import numpy as np
import pytest
import torch

import photonic
from photonic import MeshLayout, MeshPhases
from tests.photonic.public_calls import ALIKE, BAD, NOISY, PROGRAM, RESULTS, SETTINGS, TABLE, Call
from tests.tolerances import MESH_EPS

ROUNDING = MESH_EPS * torch.finfo(torch.float64).eps  # sums over other strides


def fresh(call: Call) -> dict[str, Any]:
    """Generators are new for each call, as they move on."""
    return {
        name: np.random.default_rng(0)
        for name, (kind, _) in call.arguments.items()
        if kind == "generator"
    }


ARGUMENTS = [
    pytest.param(key, name, id=f"{key}-{name}")
    for key, call in TABLE.items()
    for name in call.arguments
]


def test_the_table_is_complete():
    functions = {key.split(".")[0] for key in TABLE}
    assert functions | RESULTS | {"hardware_names"} == set(photonic.__all__)


@pytest.mark.parametrize(("key", "name"), ARGUMENTS)
def test_what_is_not_meant_is_refused_by_name(key, name):
    call = TABLE[key]
    kind, good = call.arguments[name]
    named = rf"`{name}|batch dimensions|unknown hardware|nope.yaml: No such file"
    for bad in BAD[kind](good):
        try:
            call(**(fresh(call) | {name: bad}))
        except (TypeError, ValueError) as error:
            assert re.search(named, str(error)), f"{bad!r}: {error!r}"
        else:
            pytest.fail(f"accepted {bad!r}")


def flat(result: Any) -> list[np.ndarray]:
    """All numbers of a result."""
    if isinstance(result, torch.Tensor):
        return [result.detach().numpy()]
    if isinstance(result, torch.nn.Module):
        return flat(list(result.parameters()))
    if isinstance(result, tuple | list):
        return [array for part in result for array in flat(part)]
    if isinstance(result, MeshPhases):
        return flat([result.theta, result.phi, result.output_phase])
    if isinstance(result, photonic.Program):
        return flat(list(result.to_tensors().values()))
    if isinstance(result, photonic.Fit):
        return flat(result.phases)
    if isinstance(result, photonic.Sensitivity):
        return [np.array(result.slope)]
    if isinstance(result, MeshLayout | photonic.Chip):
        return [np.array(repr(result))]
    return [np.asarray(result)]


@pytest.mark.parametrize(("key", "name"), ARGUMENTS)
def test_other_forms_of_a_value_give_the_same(key, name):
    call = TABLE[key]
    kind, good = call.arguments[name]
    if kind not in ALIKE or good is None:
        return
    torch.manual_seed(0)
    expected = flat(call(**fresh(call)))
    for form in ALIKE[kind](good):
        torch.manual_seed(0)
        found = flat(call(**(fresh(call) | {name: form})))
        for one, other in zip(expected, found, strict=True):
            if one.dtype.kind == "U":
                assert one == other
            else:
                np.testing.assert_allclose(
                    one, other, rtol=ROUNDING, atol=ROUNDING, err_msg=repr(form)
                )


def test_a_chip_takes_the_name_of_its_description(tmp_path):
    assert photonic.Chip("soi_typical", 3) == photonic.Chip(
        photonic.load_hardware("soi_typical"), 3
    )
    with pytest.raises(ValueError, match="unknown hardware 'soi_typica'; did you mean"):
        photonic.Chip("soi_typica")
    numpy_key = photonic.Chip(NOISY, np.int64(3), np.int64(1))
    assert torch.equal(
        photonic.realise(PROGRAM, numpy_key), photonic.realise(PROGRAM, photonic.Chip(NOISY, 3, 1))
    )


def test_losses_are_checked_where_their_values_are_known():
    """Mapped by torch.func.vmap, a loss has no values yet; the light still passes."""
    layout, loss = MeshLayout.clements(4), torch.full((3, 6), 0.2, dtype=torch.float64)

    def matrix(loss_db):
        return photonic.transfer_matrix(layout, **SETTINGS, insertion_loss_db=loss_db)

    mapped = torch.func.vmap(matrix)(loss)
    np.testing.assert_allclose(mapped, matrix(loss), rtol=ROUNDING, atol=ROUNDING)
    with pytest.raises(ValueError, match=r"`insertion_loss_db` must not be negative, got -0\.2"):
        matrix(-loss)


@pytest.mark.parametrize("batch", [(0,), (2, 0)])
def test_no_meshes_give_no_matrices(batch):
    layout = MeshLayout.clements(4)
    settings = {name: part.expand(*batch, -1) for name, part in SETTINGS.items()}
    assert photonic.transfer_matrix(layout, **settings).shape == (*batch, 4, 4)
    fields = torch.ones(*batch, 3, 4, dtype=torch.complex128)
    assert photonic.apply(layout, **settings, fields=fields).shape == fields.shape
    assert photonic.decompose(torch.ones(*batch, 4, 4), layout).batch_shape == batch


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_half_complex_fields_are_cast_and_half_phases_refused():
    layout = MeshLayout.clements(4)
    fields = torch.ones(3, 4, dtype=torch.complex64)
    expected = photonic.apply(layout, **SETTINGS, fields=fields)
    assert torch.equal(
        photonic.apply(layout, **SETTINGS, fields=fields.to(torch.complex32)), expected
    )
    for dtype in (torch.float16, torch.bfloat16):
        halves = SETTINGS | {"theta": SETTINGS["theta"].to(dtype)}
        with pytest.raises(TypeError, match="`theta` must be float32 or float64"):
            photonic.transfer_matrix(layout, **halves)
