"""Environments and the names that they hold. Each test runs on every database."""

import pytest
from unit.server.conftest import Store
from unit.server.orders import NOON, SHOP, order

from kilter.render.names import Slot, object_names
from kilter.server.refusals import Refused
from kilter.server.store import deploys, environments


def test_a_host_belongs_to_the_first_who_claims_it(store: Store) -> None:
    """DP-Q9: no silent takeover."""
    store(deploys.accept, order(Slot("acme", "shop", "prod")), NOON)
    with pytest.raises(Refused) as caught:
        store(deploys.accept, order(Slot("globex", "shop", "prod")), NOON)
    assert caught.value.code == "host_taken"
    assert caught.value.details == {"host": "shop.apps.example.com", "proposed_app": "globex-shop"}
    assert store(environments.find, Slot("globex", "shop", "prod")) is None


def test_an_app_whose_name_looks_like_anothers_environment_is_caught(store: Store) -> None:
    """DP-Q32."""
    store(deploys.accept, order(Slot("acme", "shop", "dev")), NOON)
    with pytest.raises(Refused, match="belongs to another project"):
        store(deploys.accept, order(Slot("acme", "shop-dev", "prod")), NOON)


def test_triples_with_the_same_plain_name_get_objects_of_different_names(store: Store) -> None:
    """DP-Q33."""
    first, second = Slot("acme-web", "shop", "dev"), Slot("acme", "web-shop", "dev")
    store(deploys.accept, order(first), NOON)
    store(deploys.accept, order(second), NOON)
    assert store(environments.find, first).object_name == "acme-web-shop-dev"
    assert store(environments.find, second).object_name == object_names(second)[1]


def test_protection_is_added_and_never_removed(store: Store) -> None:
    """DP-Q27."""
    for asked, found in (("standard", "standard"), ("protected", "protected"), ("ephemeral", "protected")):
        record = store(deploys.accept, order(env_class=asked), NOON).record
        assert record.spec.class_ == found
        assert store(environments.find, SHOP).env_class == found


def test_projects_are_listed_by_name(store: Store) -> None:
    for slot in (Slot("b", "x", "dev"), Slot("a", "y", "dev"), Slot("a", "y", "prod"), Slot("a", "x", "prod")):
        store(deploys.accept, order(slot), NOON)
    assert store(environments.projects_after, "", "", 10) == [("a", "x"), ("a", "y"), ("b", "x")]
    assert store(environments.projects_after, "a", "x", 1) == [("a", "y")]


def test_the_spec_gets_identity_number_and_address_from_the_server_alone(store: Store) -> None:
    """S6: whatever the client wrote."""
    record = store(deploys.accept, order(Slot("globex", "blog", "prod")), NOON).record
    assert (record.spec.org, record.spec.app, record.spec.env) == ("globex", "blog", "prod")
    assert record.spec.deploy_id == record.id
    assert record.url == "https://blog.apps.example.com"
