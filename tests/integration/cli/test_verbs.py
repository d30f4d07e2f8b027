"""Verbs that ask a platform's server."""

import pytest
from integration.deploy.server import serving

from kilter.cli.main import run


@pytest.mark.requirement("LC-Q32")
@pytest.mark.parametrize("flags", [[], ["--follow"]])
def test_an_unknown_process_of_an_environment_ends_with_2_and_the_known(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {
        "code": "invalid",
        "message": "acme/shop/prod has no process 'wrker'; did you mean 'worker'?",
        "field": "process",
        "details": {"known": ["shop", "worker"]},
    }
    path = "/v1/projects/acme/shop/envs/prod/logs"
    with serving(**{f"GET__{path}": [(422, {"error": error})]}) as table:
        monkeypatch.setenv("KILTER_SERVER", table.address)
        monkeypatch.setenv("KILTER_TOKEN", "kilter_x")
        assert run(["logs", "wrker", "--env", "prod", "--project", "acme/shop", *flags]) == 2
    said = capsys.readouterr().err
    assert f"error: {error['message']}\n" in said
    assert "  known: shop, worker\n" in said
