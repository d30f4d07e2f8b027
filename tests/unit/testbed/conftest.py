"""The testbed is no part of the product: its package lies at the root of the checkout."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


@pytest.fixture(autouse=True)
def begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ending: after a command of the testbed its process ends, that of the tests goes on."""
    from testbed.running import RUNNING

    monkeypatch.setattr(RUNNING, "ending", False)
