"""Names derived from (org, app, env)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.api import naming

name = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)


def test_production_has_the_bare_host_and_others_one_label_with_the_environment() -> None:
    """DP-Q32."""
    assert naming.host("shop", "prod", "apps.example.com") == "shop.apps.example.com"
    assert naming.host("shop", "pr-247", "apps.example.com") == "shop-pr-247.apps.example.com"


def test_a_public_process_has_a_host_that_no_app_can_have() -> None:
    """DP-Q59."""
    assert naming.process_host("shop", "prod", "ws", "apps.example.com") == "shop--ws.apps.example.com"


@given(name, name, name)
def test_every_name_is_a_dns_label(org: str, app: str, env: str) -> None:
    """DP-Q32, DP-Q33."""
    labels = [*naming.possible_names(org, app, env), naming.host_label(app, env)]
    labels.append(naming.process_host(app, env, org, "d").split(".")[0])
    for label in labels:
        assert len(label) <= 63
        assert label[0].isalpha()
        assert label[-1].isalnum()


@pytest.mark.requirement("DP-Q33")
def test_two_triples_with_the_same_plain_name_have_a_name_of_their_own_to_fall_back_on() -> None:
    first, second = ("acme-web", "shop", "dev"), ("acme", "web-shop", "dev")
    assert naming.plain_name(*first) == naming.plain_name(*second)
    assert naming.hashed_name(*first) != naming.hashed_name(*second)
    assert naming.possible_names(*first) == ("acme-web-shop-dev", naming.hashed_name(*first))


@pytest.mark.requirement("DP-Q33")
def test_a_plain_name_that_is_too_long_is_never_used() -> None:
    long = ("o" * 40, "a" * 40, "prod")
    assert naming.possible_names(*long) == (naming.hashed_name(*long),)
