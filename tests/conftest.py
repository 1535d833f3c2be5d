"""Shared fixtures: hypothesis profiles and the two real dtypes."""

import os
import tempfile

import pytest
import torch
from hypothesis import HealthCheck, settings

# Graphs of tests stay out of the user's cache.
os.environ.setdefault("LIGHTFRAME_CACHE", tempfile.mkdtemp(prefix="lightframe-tests-"))

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci",
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# One thread: the tensors of tests are small, and threads of several workers would fight.
torch.set_num_threads(1)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """The real dtype that a numeric test runs in."""
    return request.param
