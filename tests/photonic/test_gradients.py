"""Derivatives of both backends: against differences, against each other, under transforms."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.layout import MeshLayout
from photonic.propagation import apply, transfer_matrix
from tests.photonic.matrices import REAL_DTYPES, assert_close, random_normal, random_settings
from tests.tolerances import GRADIENT_EPS

LAYOUTS = [
    MeshLayout.clements(1),
    MeshLayout.clements(2),
    MeshLayout.clements(5),
    MeshLayout.reck(4),
    MeshLayout.rectangular(4, 2),
    MeshLayout.butterfly(4),
]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
backends = pytest.mark.parametrize("backend", ["numba", "torch"])
ERRORS = [(), ("coupler_error",), ("insertion_loss_db",), ("coupler_error", "arm_loss_db")]


def arguments(layout, seed, *batch, errors=(), num_fields=3, dtype=torch.float64):
    """Settings, errors and fields that ask for gradients, by name."""
    parts = dict(
        zip(("theta", "phi", "output_phase"), random_settings(layout, seed, *batch), strict=True)
    )
    shape = (*batch, layout.num_mzis)
    defects = {
        "coupler_error": 0.1 * random_normal(seed, *shape, 2),
        "insertion_loss_db": random_normal(seed + 1, *shape).abs(),
        "arm_loss_db": random_normal(seed + 2, *shape, 3, 2).abs(),
    }
    parts |= {name: defects[name] for name in errors}
    fields = random_normal(seed + 3, *batch, num_fields, layout.num_modes, dtype=torch.complex128)
    parts["fields"] = fields
    return {
        name: part.to(dtype.to_complex() if name == "fields" else dtype).requires_grad_()
        for name, part in parts.items()
    }


def call(layout, backend, names):
    """``apply`` with positional arguments of the given names."""
    return lambda *parts: apply(layout, **dict(zip(names, parts, strict=True)), backend=backend)


@every_layout
@backends
@pytest.mark.parametrize("errors", ERRORS, ids=str)
def test_first_derivatives(layout, backend, errors):
    parts = arguments(layout, 0, 2, errors=errors)
    assert torch.autograd.gradcheck(call(layout, backend, parts), tuple(parts.values()))


@backends
@pytest.mark.parametrize("layout", [MeshLayout.clements(3), MeshLayout.butterfly(4)], ids=repr)
@pytest.mark.parametrize("errors", ERRORS, ids=str)
def test_second_derivatives(layout, backend, errors):
    parts = arguments(layout, 1, errors=errors, num_fields=2)
    assert torch.autograd.gradgradcheck(call(layout, backend, parts), tuple(parts.values()))


@every_layout
@backends
def test_derivatives_of_the_matrix(layout, backend):
    settings = [part.requires_grad_() for part in random_settings(layout, 2, 2)]
    assert torch.autograd.gradcheck(
        lambda *parts: transfer_matrix(layout, *parts, backend=backend), settings
    )


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(
    layout=st.sampled_from([*LAYOUTS, MeshLayout.clements(13), MeshLayout.reck(20)]),
    seed=st.integers(0, 2**32),
    errors=st.sampled_from(ERRORS),
    num_fields=st.sampled_from([0, 1, 7, 16, 33, 150, 1100]),
)
def test_backends_agree(layout, seed, errors, num_fields, dtype):
    """Blocks, chunks and segments of every size, for fields and output gradients of norm 1.

    So no gradient of a phase exceeds 1, and rounding is measured against that, whatever cancels.
    """
    gradients = {}
    for backend in ("numba", "torch"):
        parts = arguments(layout, seed, errors=errors, num_fields=num_fields, dtype=dtype)
        norm = max(1.0, parts["fields"].detach().norm().item())
        parts["fields"] = (parts["fields"].detach() / norm).requires_grad_()
        output = apply(layout, **parts, backend=backend)
        upstream = random_normal(seed, *output.shape, dtype=output.dtype)
        output.backward(upstream / max(1.0, upstream.norm().item()))
        gradients[backend] = {
            name: torch.zeros_like(part) if part.grad is None else part.grad
            for name, part in parts.items()
        }
    for name, gradient in gradients["numba"].items():
        assert_close(gradient, gradients["torch"][name], GRADIENT_EPS)


def test_only_wanted_gradients_are_given():
    layout = MeshLayout.clements(4)
    parts = arguments(layout, 3, errors=("coupler_error", "arm_loss_db"))
    for wanted in parts:
        for name, part in parts.items():
            part.grad = None
            part.requires_grad_(name == wanted)
        apply(layout, **parts, backend="numba").abs().sum().backward()
        assert [name for name, part in parts.items() if part.grad is not None] == [wanted]


def test_gradients_of_transposed_conjugated_and_expanded_tensors():
    layout, gradients = MeshLayout.clements(4), []
    for backend in ("numba", "torch"):
        parts = arguments(layout, 4, 2, num_fields=4)
        fields = parts["fields"].mT.conj()
        output = apply(
            layout, parts["theta"], parts["phi"][:1], parts["output_phase"], fields, backend=backend
        )
        (output.mT.conj()[0] * (1 + 2j)).real.sum().backward()
        gradients.append([part.grad for part in parts.values()])
    for ours, theirs in zip(*gradients, strict=True):
        assert_close(ours, theirs, GRADIENT_EPS)


@backends
def test_stuck_shifters_keep_their_phase_and_get_no_gradient(backend):
    layout = MeshLayout.clements(4)
    theta, phi, screen = (part.requires_grad_() for part in random_settings(layout, 5))
    stuck = torch.full((2 * 6 + 4,), torch.nan, dtype=torch.float64)
    stuck[2], stuck[6 + 1], stuck[12 + 3] = 0.3, 0.4, 0.5
    matrix = transfer_matrix(layout, theta, phi, screen, stuck_phase=stuck, backend=backend)
    changed = [part.detach().clone() for part in (theta, phi, screen)]
    changed[0][2], changed[1][1], changed[2][3] = 0.3, 0.4, 0.5
    assert torch.equal(matrix, transfer_matrix(layout, *changed, backend=backend))
    matrix.real.sum().backward()
    for part, index in ((theta, 2), (phi, 1), (screen, 3)):
        assert (part.grad == 0).nonzero().tolist() == [[index]]


@backends
def test_functional_transforms(backend):
    layout = MeshLayout.clements(4)
    theta, phi, screen = random_settings(layout, 6, 3)

    def power(theta, fields=None):
        if fields is None:
            matrix = transfer_matrix(layout, theta, phi[0], screen[0], backend=backend)
            return matrix[0, 1].abs().square()
        return apply(layout, theta, phi[0], screen[0], fields, backend=backend).abs().square().sum()

    fields = random_normal(7, 3, 2, 4, dtype=torch.complex128)
    for mapped, looped in (
        (torch.func.vmap(power)(theta), [power(t) for t in theta]),
        (
            torch.func.vmap(torch.func.grad(power))(theta),
            [torch.func.grad(power)(t) for t in theta],
        ),
        (torch.func.vmap(power, (None, 0))(theta[0], fields), [power(theta[0], f) for f in fields]),
        (
            torch.func.vmap(torch.func.grad(power), (1, 0))(theta.T, fields),
            [torch.func.grad(power)(*pair) for pair in zip(theta, fields, strict=True)],
        ),
        (
            torch.func.jacrev(torch.func.grad(power))(theta[0]),
            list(torch.autograd.functional.hessian(power, theta[0])),
        ),
        (
            torch.func.jacrev(lambda t: torch.stack([power(t)]))(theta[0]),
            [torch.func.grad(power)(theta[0])],
        ),
    ):
        assert_close(mapped, torch.stack(looped), GRADIENT_EPS)


def test_batched_gradients_of_autograd_are_refused_by_name():
    layout = MeshLayout.clements(3)
    theta, phi, screen = random_settings(layout, 9)

    def powers(theta):
        return transfer_matrix(layout, theta, phi, screen, backend="numba").abs().flatten()

    with pytest.raises(RuntimeError, match="the numba backend takes no `is_grads_batched`"):
        torch.autograd.functional.jacobian(powers, theta, vectorize=True)


@backends
def test_results_and_gradients_may_be_changed_in_place(backend):
    layout = MeshLayout.clements(4)
    parts = arguments(layout, 10)
    output = apply(layout, **parts, backend=backend) * 1  # the backend may keep its own output
    output *= 2
    settings = [parts[name] for name in ("theta", "phi", "output_phase")]
    first, *_ = torch.autograd.grad(output.abs().sum(), settings, create_graph=True)
    first.mul_(2)
    first.sum().backward()
    direct = apply(layout, **parts, backend=backend)
    direct.mul_(2)  # legal; only its gradient is refused, by name
    if backend == "numba":
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            direct.abs().sum().backward()


def test_gradients_own_their_memory_and_no_more():
    layout = MeshLayout.clements(8)
    parts = arguments(layout, 11, errors=("coupler_error",), num_fields=1100)
    apply(layout, **parts, backend="numba").abs().sum().backward()
    storages = [part.grad.untyped_storage() for part in parts.values()]
    assert len({storage.data_ptr() for storage in storages}) == len(storages)
    for part, storage in zip(parts.values(), storages, strict=True):
        assert storage.nbytes() == part.numel() * part.itemsize


@backends
def test_conjugated_and_negated_views_are_read_right(backend):
    layout = MeshLayout.clements(3)
    _, phi, screen = random_settings(layout, 12)
    source = random_normal(13, 3, 3, dtype=torch.complex128)
    theta = source.mH.imag[0]
    fields = torch._neg_view(source)
    assert theta.is_neg()
    assert fields.is_neg()
    out = apply(layout, theta, phi, screen, fields, backend=backend)
    plain = apply(layout, theta.resolve_neg(), phi, screen, -source, backend=backend)
    assert torch.equal(out, plain)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own
def test_forward_mode_is_refused_by_the_kernels_and_done_by_torch():
    layout = MeshLayout.clements(3)
    theta, phi, screen = random_settings(layout, 8)

    def power(theta, backend):
        return transfer_matrix(layout, theta, phi, screen, backend=backend)[0, 1].abs()

    with pytest.raises(NotImplementedError, match="forward mode AD"):
        torch.func.jacfwd(lambda t: power(t, "numba"))(theta)
    forward = torch.func.jacfwd(lambda t: power(t, "torch"))(theta)
    assert_close(forward, torch.func.grad(lambda t: power(t, "numba"))(theta), GRADIENT_EPS)
