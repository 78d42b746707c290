"""A pod's folder, with functions in it."""

from __future__ import annotations

import pytest

from support.functions import Pod


@pytest.fixture
def pod(tmp_path):
    """Empty; consumers of its functions are closed with it."""
    made = Pod(tmp_path)
    yield made
    made.close()
