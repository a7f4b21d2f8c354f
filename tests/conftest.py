"""Shared fixtures."""

import pytest
import torch


@pytest.fixture
def no_grad():
    """For modules that test numbers alone: ``pytestmark = pytest.mark.usefixtures("no_grad")``."""
    with torch.no_grad():
        yield
