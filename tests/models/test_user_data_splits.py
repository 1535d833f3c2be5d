"""The published splits: the shuffle's known positions, sizes, ends and what is refused."""

import numpy as np
import pytest
from sklearn.model_selection import KFold

from models.datasets import DatasetError
from models.datasets.user import jarvis, megnet
from models.datasets.user.splits import (
    MATBENCH_FOLDS,
    MATBENCH_SEED,
    PublishedSplit,
    default_sizes,
    matbench_splits,
    published_split,
    shuffled_parts,
)

# Positions in files of N entries: train first three, train last; validation first and last;
# test first and last. From index files published with the tables.
POSITIONS = {
    55_723: ((45770, 5340, 6395), 2724, (8987, 24391), (37131, 3431)),
    55_371: ((24684, 23785, 50393), 4317, (19214, 53683), (24071, 3431)),
    18_172: ((8248, 3976, 10170), 16334, (9151, 16119), (4243, 1715)),
    69_239: ((27831, 58056, 60863), 67403, (24566, 21405), (22274, 6863)),
}
SIZES = {
    55_723: (44578, 5572, 5572),
    55_371: (44296, 5537, 5537),
    18_172: (14537, 1817, 1817),
    69_239: (60000, 5000, 4239),
}
PUBLISHED = {
    "jarvis energies": jarvis.PUBLISHED["formation_energy_peratom"],
    "jarvis hull": jarvis.PUBLISHED["ehull"],
    "jarvis mbj": jarvis.PUBLISHED["mbj_bandgap"],
    "megnet": megnet.PUBLISHED,
}


def ids_like(published: PublishedSplit) -> list[str]:
    """As many ids as were published, with those at the ends of the parts in their places."""
    ids = [f"x-{number}" for number in range(published.num_entries)]
    parts = shuffled_parts(published.num_entries, published.sizes)
    for part, (first, last) in zip(parts, published.ends, strict=True):
        ids[part[0]], ids[part[-1]] = first, last
    return ids


@pytest.mark.parametrize("num_entries", POSITIONS)
def test_shuffle_gives_the_published_positions(num_entries: int) -> None:
    train, validation, test = shuffled_parts(num_entries, SIZES[num_entries])
    start, end, validation_ends, test_ends = POSITIONS[num_entries]
    assert (tuple(train[:3]), train[-1]) == (start, end)
    assert (validation[0], validation[-1]) == validation_ends
    assert (test[0], test[-1]) == test_ends
    assert (len(train), len(validation), len(test)) == SIZES[num_entries]
    assert len({*train, *validation, *test}) == sum(SIZES[num_entries])


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(name: str) -> None:
    published = PUBLISHED[name]
    assert published.sizes == SIZES[published.num_entries]


@pytest.mark.parametrize("num_entries", [55_723, 55_371, 18_172])
def test_jarvis_leaves_one_entry_unused(num_entries: int) -> None:
    assert default_sizes(num_entries) == SIZES[num_entries]
    assert sum(default_sizes(num_entries)) == num_entries - 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_split_of_the_published_ids(name: str) -> None:
    published = PUBLISHED[name]
    split = published_split(name, ids_like(published), published)
    parts = shuffled_parts(published.num_entries, published.sizes)
    for found, expected in zip((split.train, split.validation, split.test), parts, strict=True):
        assert np.array_equal(found, np.sort(expected))


def test_another_number_of_entries_is_refused() -> None:
    published = PUBLISHED["jarvis mbj"]
    ids = ids_like(published)[:-1]
    with pytest.raises(DatasetError, match=r'18,171 entries .* one of 18,172; ask for split="f'):
        published_split("file", ids, published)


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_another_id_at_an_end_is_refused(part: int, end: int) -> None:
    published = PUBLISHED["jarvis mbj"]
    ids = ids_like(published)
    position = shuffled_parts(published.num_entries, published.sizes)[part][end]
    ids[position] = "JVASP-1"
    name = ("train", "validation", "test")[part]
    with pytest.raises(DatasetError, match=f"the {name} part runs from .*other data or another"):
        published_split("file", ids, published)


def test_another_order_is_refused() -> None:
    published = PUBLISHED["megnet"]
    with pytest.raises(DatasetError, match="another order"):
        published_split("file", ids_like(published)[::-1], published)


@pytest.mark.parametrize("num_entries", [5, 7, 636, 4764])
def test_matbench_folds_are_those_of_scikit_learn(num_entries: int) -> None:
    rule = KFold(MATBENCH_FOLDS, shuffle=True, random_state=MATBENCH_SEED)
    splits = matbench_splits(num_entries)
    assert len(splits) == MATBENCH_FOLDS
    for split, (train, test) in zip(splits, rule.split(np.zeros(num_entries)), strict=True):
        assert np.array_equal(split.train, train)
        assert np.array_equal(split.test, test)
        assert split.validation.size == 0


def test_first_fold_of_matbench_dielectric() -> None:
    """Ids in published results of the task, counted from 1; the thirteenth is KI."""
    test = matbench_splits(4764)[0].test + 1
    assert test[:13].tolist() == [8, 10, 19, 25, 31, 36, 38, 40, 41, 51, 62, 71, 76]
