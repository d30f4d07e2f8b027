"""Who may do what: scopes, roles and classes as plain values."""

from dataclasses import replace

import pytest
from unit.server.orders import NOON
from unit.server.web import SETTINGS

from kilter.api.access import Scope
from kilter.api.words import Role
from kilter.render.names import Slot
from kilter.server import access
from kilter.server.refusals import Refused
from kilter.server.store.tokens import Grant

SHOP, BLOG = Scope(project="acme/shop"), Scope(project="acme/blog", env="pr-*")


def grant(*scopes: Scope, role: Role = "deployer") -> Grant:
    return Grant("t", "ann", role, scopes, NOON)


@pytest.mark.parametrize(
    ("org", "app", "env", "is_seen", "is_reached"),
    [
        ("acme", "shop", "dev", True, True),
        ("acme", "blog", "dev", True, False),
        ("acme", "blog", "pr-1", True, True),
        ("acme", "other", "dev", False, False),
        ("globex", "shop", "dev", False, False),
    ],
)
def test_a_token_reaches_what_any_of_its_scopes_does_and_no_other_project_of_the_org(
    org: str, app: str, env: str, is_seen: bool, is_reached: bool
) -> None:
    for scopes in ((SHOP, BLOG), (BLOG, SHOP)):
        assert access.sees(grant(*scopes), org, app) is is_seen
        assert access.reaches(grant(*scopes), Slot(org, app, env)) is is_reached


@pytest.mark.parametrize(
    ("role", "scopes", "is_allowed"),
    [
        ("deployer", (SHOP,), True),
        ("viewer", (BLOG, SHOP), True),
        ("maintainer", (SHOP,), False),
        ("viewer", (Scope(project="acme/blog"),), False),
        ("viewer", (Scope(project="acme/blog", env="pr-7"),), True),
        ("viewer", (Scope(project="acme/*"),), False),
        ("viewer", (SHOP, Scope(project="acme/other")), False),
    ],
)
def test_nobody_hands_out_a_higher_role_another_project_or_further_environments(
    role: Role, scopes: tuple[Scope, ...], is_allowed: bool
) -> None:
    assert access.may_grant(grant(SHOP, BLOG), role, scopes) is is_allowed


def test_everything_is_seen_by_who_reaches_every_environment_of_every_project() -> None:
    everywhere = Scope(project="*/*")
    assert access.sees_everything(grant(SHOP, everywhere))
    assert not access.sees_everything(grant(SHOP, Scope(project="*/*", env="pr-*"), Scope(project="acme/*")))


def test_who_lacks_a_role_is_told_which_and_which_they_have() -> None:
    with pytest.raises(Refused) as refused:
        access.require_role(grant(SHOP), "maintainer")
    assert refused.value.details == {"needed_role": "maintainer", "role": "deployer"}


def test_any_of_the_patterns_gives_an_environment_its_class() -> None:
    settings = replace(SETTINGS, protected_envs=("prod", "live-*"), ephemeral_envs=("pr-*", "dev"))
    found = {env: access.class_of(settings, env) for env in ("prod", "live-eu", "pr-1", "dev", "test")}
    assert found == {
        "prod": "protected",
        "live-eu": "protected",
        "pr-1": "ephemeral",
        "dev": "ephemeral",
        "test": "standard",
    }
