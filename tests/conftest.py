"""Fixtures and settings that all tests share."""

import pytest
import torch

torch.set_num_threads(1)  # the tests run side by side, on small tensors


@pytest.fixture
def no_grad():
    """For modules that test numbers alone: ``pytestmark = pytest.mark.usefixtures("no_grad")``."""
    with torch.no_grad():
        yield
