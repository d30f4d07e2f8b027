"""What is told of a valid kilter.yaml."""

from pathlib import Path

import pytest
from unit.dev.support import workspace

from kilter.dev.notices import notices

APP = "image: ghcr.io/acme/shop:1\nport: 8080\nservices: {redis: }\n"


@pytest.mark.requirement("Y14", "CT-Q37")
def test_likely_secrets_and_replaced_variables_are_told_and_no_value_is(tmp_path: Path) -> None:
    text = APP + "env:\n  ADMIN_PASSWORD: hunter2\n  REDIS_URL: redis://elsewhere\n"
    told = list(notices(workspace(tmp_path, text=text)))
    assert [line.split(": ")[0] for line in told] == ["kilter.yaml:5:19 env.ADMIN_PASSWORD", "shop"]
    assert "hunter2" not in "".join(told)


def test_of_most_files_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert list(notices(workspace(tmp_path, text=APP))) == []
