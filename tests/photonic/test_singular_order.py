"""Orders of singular values: permutations with the stated shape, and the same matrix in each."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.singular_order import SINGULAR_ORDERS, reorder_factors, singular_value_order
from tests.photonic.matrices import assert_close, assert_unitary, random_normal
from tests.tolerances import WEIGHT_EPS

orders = st.sampled_from(SINGULAR_ORDERS)


@given(rank=st.integers(1, 70), order=orders)
def test_every_value_is_held_once(rank, order):
    index = singular_value_order(rank, order)
    assert index.dtype == torch.int64
    assert sorted(index.tolist()) == list(range(rank))
    assert torch.equal(index, singular_value_order(rank, order))


def test_small_orders():
    assert singular_value_order(5, "descending").tolist() == [0, 1, 2, 3, 4]
    assert singular_value_order(5, "ascending").tolist() == [4, 3, 2, 1, 0]
    assert singular_value_order(5, "centred").tolist() == [3, 1, 0, 2, 4]
    assert singular_value_order(4, "centred").tolist() == [2, 0, 1, 3]


@given(rank=st.integers(1, 70))
def test_centred_values_fall_from_the_middle(rank):
    index = singular_value_order(rank, "centred").tolist()
    middle = index.index(0)
    assert abs(2 * middle - (rank - 1)) <= 1
    assert index[: middle + 1] == sorted(index[: middle + 1], reverse=True)
    assert index[middle:] == sorted(index[middle:])


def test_random_is_another_order():
    known = {tuple(singular_value_order(16, name).tolist()) for name in SINGULAR_ORDERS}
    assert len(known) == len(SINGULAR_ORDERS)


@given(rows=st.integers(1, 8), columns=st.integers(1, 8), seed=st.integers(0, 2**32), order=orders)
def test_the_matrix_stays_the_same(rows, columns, seed, order):
    matrix = random_normal(seed, 2, rows, columns)
    singular_before = torch.linalg.svdvals(matrix)
    u, singular, vt = reorder_factors(*torch.linalg.svd(matrix), order)
    rank = min(rows, columns)
    assert_unitary(u)
    assert_unitary(vt)
    index = singular_value_order(rank, order)
    scale = singular_before[..., :1, None]
    assert_close(singular / scale[..., 0], singular_before[..., index] / scale[..., 0], WEIGHT_EPS)
    rebuilt = u[..., :rank] * singular[..., None, :] @ vt[..., :rank, :]
    assert_close(rebuilt / scale, matrix / scale, WEIGHT_EPS)


def test_columns_without_a_singular_value_stay():
    matrix = random_normal(1, 3, 7)
    u, singular, vt = torch.linalg.svd(matrix)
    moved = reorder_factors(u, singular, vt, "ascending")
    assert torch.equal(moved[2][3:], vt[3:])
    assert torch.equal(moved[2][:3], vt[:3].flip(0))
    assert torch.equal(moved[0], u.flip(1))
    assert torch.equal(moved[1], singular.flip(0))


def test_unknown_order_is_refused():
    with pytest.raises(ValueError, match=r"`order` must be one of descending, .*, got 'upwards'"):
        singular_value_order(4, "upwards")
    with pytest.raises(ValueError, match="`rank` must be an integer >= 1, got 0"):
        singular_value_order(0, "descending")
