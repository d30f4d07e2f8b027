"""What a commit says, and that a program reads it back."""

from dataclasses import replace

import pytest

from kilter.gitops.message import Written, of_claim, of_deploys, parse
from kilter.gitops.model import Change, Fence

FENCE = Fence(7, "operator-abc")
CHANGE = Change("acme", "shop", "prod", "acme-shop-prod", {"a": ""}, {}, "d-1", "ann@example.org", 12, "sha256:ab")


@pytest.mark.requirement("DP-Q16")
def test_one_deploy() -> None:
    assert of_deploys([Written(CHANGE, ("apps/acme/shop/prod/a.yaml",))], FENCE) == (
        "Deploy acme/shop/prod\n\n"
        "acme/shop/prod: release 12 by ann@example.org\n"
        "  replaces an edit by others: apps/acme/shop/prod/a.yaml\n\n"
        'Kilter-Deploy: {"env":"acme/shop/prod","deploy":"d-1","actor":"ann@example.org",'
        '"release":12,"image":"sha256:ab"}\n'
        "Kilter-Fence: 7\n"
    )


def test_one_removal() -> None:
    message = of_deploys([Written(replace(CHANGE, files=None))], FENCE)
    assert message.startswith("Remove acme/shop/prod\n\nacme/shop/prod: removed by ann@example.org\n\nKilter-Remove: {")
    assert parse(message) == ({"env": "acme/shop/prod", "deploy": "d-1", "actor": "ann@example.org", "removed": True},)


@pytest.mark.parametrize(
    ("removed", "count", "subject"),
    [
        (0, 2, "Deploy 2 envs: acme/a0/prod, acme/a1/prod"),
        (0, 100, "Deploy 100 envs: acme/a0/prod, acme/a1/prod, acme/a2/prod and 97 more"),
        (2, 2, "Remove 2 envs: acme/a0/prod, acme/a1/prod"),
        (1, 3, "Deploy and remove 3 envs: acme/a0/prod, acme/a1/prod, acme/a2/prod"),
    ],
)
def test_many_at_once(removed: int, count: int, subject: str) -> None:
    changes = [replace(CHANGE, app=f"a{n}", files=None if n < removed else {"a": ""}) for n in range(count)]
    message = of_deploys([Written(change) for change in changes], FENCE)
    assert message.splitlines()[0] == subject
    assert [said["env"] for said in parse(message)] == [change.label for change in changes]


def test_a_claim_names_the_leader() -> None:
    assert of_claim(FENCE) == "Take over as leader 7\n\nKilter-Fence: 7\n"
    assert parse(of_claim(FENCE)) == ()
