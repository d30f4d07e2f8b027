"""What the tests of deploys share."""

import pytest

from kilter.deploy import deploy as deploying

RUN = "c0ffee00"


@pytest.fixture(autouse=True)
def run_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the tag of what is built the same end each time."""
    monkeypatch.setattr(deploying, "token_hex", lambda _: RUN)
