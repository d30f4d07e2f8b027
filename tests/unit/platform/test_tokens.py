"""Tokens that an administrator makes through the cluster."""

from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.errors import Failed
from kilter.platform import tokens
from kilter.platform.target import Target
from kilter.platform.tokens import PROGRAM, SERVER, Wanted
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECONFIG = Path("/run/kubeconfig")
TARGET = Target(
    "prod",
    Helm("helm", KUBECONFIG, "kilter-system", Path("/run")),
    Kubectl("kubectl", KUBECONFIG, "prod", "kilter-system"),
)
PREVIEW = Wanted("ci", "deployer", "acme/shop", "preview-*", 7)
SAID = ["--actor", "ci", "--role", "deployer", "--project", "acme/shop", "--env", "preview-*", "--days", "7"]


def answering(text: str) -> FakeRunner:
    return FakeRunner({TARGET.kubectl.execute(SERVER, *PROGRAM, *SAID, container="server").argv: text})


def test_the_servers_own_program_is_told_whose_it_is_and_where_it_is_good() -> None:
    assert tokens.create(answering("kilter_abc\n"), TARGET, PREVIEW) == "kilter_abc"


def test_what_is_no_token_is_not_passed_on_as_one() -> None:
    with pytest.raises(Failed, match="no token"):
        tokens.create(answering("usage: …\n"), TARGET, PREVIEW)
