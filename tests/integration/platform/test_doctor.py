"""What `kilter doctor` says of the platform that this machine is logged in to."""

from pathlib import Path
from typing import Any

import pytest
from integration.deploy.server import serving
from integration.deploy.test_deploy import INFO

from kilter.deploy import client
from kilter.platform.doctor import rows

pytestmark = pytest.mark.requirement("DP-Q57")


def told(home: Path, status: int, answer: Any) -> list[tuple[str, str, str]]:
    with serving(**{"GET__/v1/info": [(status, answer)]}) as table:
        found = rows({"HOME": str(home), "KILTER_SERVER": table.address, "KILTER_TOKEN": "t"})
    return [(check.id, check.status, check.message.replace(table.address, "HERE")) for check in found]


@pytest.mark.parametrize(
    ("enforced", "status", "words"),
    [
        (True, "pass", "HERE enforces network policies"),
        (False, "warning", "HERE enforces no network policies: apps can reach each other, internal ones too"),
        (None, "warning", "HERE cannot tell whether its cluster enforces network policies"),
    ],
)
def test_whether_network_policies_are_enforced_is_a_check_of_its_own(
    tmp_path: Path, enforced: bool | None, status: str, words: str
) -> None:
    answers = ("platform.answers", "pass", "the platform HERE answers")
    found = told(tmp_path, 200, {**INFO, "network_policy_enforced": enforced})
    assert found == [answers, ("platform.policies", status, words)]


def test_a_platform_that_does_not_answer_is_a_warning(tmp_path: Path) -> None:
    refused = {"error": {"code": "not_logged_in", "message": "this token is not good"}}
    assert told(tmp_path, 401, refused) == [("platform.answers", "warning", "this token is not good")]


def test_a_platform_that_is_away_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    real = client.http_client

    def noted(address: str, **options: Any) -> Any:
        limits.append(options["timeout"].connect)
        return real(address, **options)

    monkeypatch.setattr(client, "http_client", noted)
    [found] = rows({"HOME": str(tmp_path), "KILTER_SERVER": "http://127.0.0.1:1", "KILTER_TOKEN": "t"})
    assert (found.id, found.status) == ("platform.answers", "warning")
    assert limits == [3.0]


def test_without_a_login_nobody_is_asked(tmp_path: Path) -> None:
    assert rows({"HOME": str(tmp_path)}) == []


def test_damaged_logins_are_a_warning(tmp_path: Path) -> None:
    file = tmp_path / ".config/kilter/credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    [found] = rows({"HOME": str(tmp_path)})
    assert (found.id, found.status, found.fix) == ("platform.answers", "warning", "remove it and log in again")
