"""The fold of a crystal, from its reduced formula alone.

Polymorphs share a formula and hence a fold, in every dataset, so that neither a random generator
nor the order of a file decides what a model has seen.
"""

from __future__ import annotations

import hashlib

from models.crystal import Crystal

NUM_FOLDS = 5
FOLD_RULE_VERSION = 1
"""Version of the rule in ``fold_of``; stored beside every result that depends on it."""


def fold_of(crystal: Crystal) -> int:
    """Fold of a crystal, 0 to 4: the first 32 bits of the formula key's sha256, modulo 5.

    Args:
        crystal: any cell of the crystal; only its reduced formula is used.

    Returns:
        The fold, e.g. 1 for the key ``"37:2,52:1"`` (Rb2Te).
    """
    digest = hashlib.sha256(crystal.formula_key.encode()).hexdigest()
    return int(digest[:8], 16) % NUM_FOLDS
