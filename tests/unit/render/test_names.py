import re

import pytest

from kilter.errors import BadInput
from kilter.render import names
from kilter.render.names import Slot, claimed, database, host, object_names, workload


@pytest.mark.requirement("DP-Q33")
def test_a_name_that_another_slot_holds_is_told_apart_by_a_hash() -> None:
    one, other = Slot("acme", "shop-web", "prod"), Slot("acme-shop", "web", "prod")
    assert claimed(one, {}) == "acme-shop-web-prod"
    assert claimed(other, {"acme-shop-web-prod": one}) == "acme-shop-web-prod-4c0f1783"


@pytest.mark.requirement("DP-Q33", "O2")
def test_a_namespace_that_is_not_of_kilter_is_never_claimed() -> None:
    assert claimed(Slot("kube", "node", "lease"), {"kube-node-lease": None}) != "kube-node-lease"


def test_a_slot_without_a_free_name_is_refused_naming_both_owners() -> None:
    slot, other = Slot("acme", "shop", "prod"), Slot("acme", "shop-prod", "x")
    plain, hashed = object_names(slot)
    with pytest.raises(BadInput, match="acme/shop/prod has no name left") as caught:
        claimed(slot, {plain: other, hashed: None})
    assert (
        caught.value.why == f"{plain} belongs to acme/shop-prod/x; {hashed} belongs to something that is not of kilter"
    )


@pytest.mark.requirement("DP-Q33")
def test_a_long_name_is_cut_and_ends_in_eight_digits_of_the_slots_hash() -> None:
    slot = Slot("o" * 40, "a" * 40, "e" * 32)
    (name,) = object_names(slot)
    assert re.fullmatch(r"o{40}-a{13}-[0-9a-f]{8}", name)


@pytest.mark.requirement("DP-8", "DP-Q20", "DP-Q32", "CT-Q20")
@pytest.mark.parametrize(
    ("env", "process", "expected"),
    [
        ("prod", "", "shop.example.com"),
        ("pr-247", "", "shop-pr-247.example.com"),
        ("prod", "socket", "shop--socket.example.com"),
        ("dev", "socket", "shop-dev--socket.example.com"),
    ],
)
def test_hosts_name_app_environment_and_process(env: str, process: str, expected: str) -> None:
    assert host(Slot("acme", "shop", env), "example.com", process) == expected


def test_a_host_that_cannot_exist_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot have a host"):
        host(Slot("acme", "xn", "prod"), "example.com", "worker")
    with pytest.raises(BadInput, match="more than 253 characters"):
        host(Slot("acme", "shop", "prod"), "x." * 124 + "com")


@pytest.mark.requirement("DP-26", "DP-Q10")
def test_a_public_address_has_the_port_that_is_not_the_schemes_own() -> None:
    app, process = (host(Slot("acme", "shop", "dev"), "example.com", name) for name in ("", "api"))
    assert names.public_url("https", app, 0) == "https://shop-dev.example.com"
    assert names.public_url("http", app, 8443) == "http://shop-dev.example.com:8443"
    assert names.public_url("https", process, 0) == "https://shop-dev--api.example.com"


@pytest.mark.requirement("DP-51", "DP-Q18")
def test_the_other_names_are_those_of_the_specification() -> None:
    assert names.internal_url("shop", "acme-shop-prod", 8080) == "http://shop.acme-shop-prod.svc:8080"
    assert names.database_secret("shop") == "shop-database"
    assert workload("shop", "worker") == "shop-worker"


@pytest.mark.requirement("MG-Q4", "MG-Q13")
def test_roles_and_scratch_databases_are_named_after_the_database() -> None:
    own = database(Slot("acme", "my-shop", "pr-7"))
    assert own.name == "acme__my_shop__pr_7"
    assert (own.owner, own.app, own.job) == (f"{own.name}_owner", f"{own.name}_app", f"{own.name}_job")
    assert own.scratch("plan-9f") == own.scratch("9f") == f"{own.name}__plan_9f"
    assert len(own.scratch("plan-" + "x" * 90)) == 63


@pytest.mark.requirement("DP-25", "C2")
@pytest.mark.parametrize("org", ["pg", "pg-tools", "pg-" + "x" * 37])
def test_no_role_has_a_name_that_postgresql_keeps_to_itself(org: str) -> None:
    own = database(Slot(org, "shop", "prod"))
    assert own.name.startswith("_pg_")
    assert len(own.name) <= names.DATABASE_LIMIT
    assert database(Slot("pgx", "shop", "prod")).name == "pgx__shop__prod"


@pytest.mark.requirement("DP-Q37", "C1", "C3")
@pytest.mark.parametrize(
    ("parts", "what", "why"),
    [
        (("Acme", "shop", "prod"), "'Acme' cannot name an org", "character 1 is 'A'"),
        (("acme", "sh_op", "prod"), "'sh_op' cannot name an app", "character 3 is '_'"),
        (("acme", "sh\u043ep", "prod"), "<U+043E CYRILLIC SMALL LETTER O>", "character 3 is '\\u043e'"),
        (("acme", "shop", "a--b"), "'a--b' cannot name an environment", "character 3 is a second '-' in a row"),
        (("acme", "shop", "pr-"), "'pr-' cannot", "it ends with '-'"),
        (("acme", "2shop", "prod"), "'2shop' cannot", "it begins with '2'"),
        (("acme", "", "prod"), "'' cannot", "it is empty"),
        (("acme", "shop", "e" * 33), "cannot name an environment", "it has 33 characters, and at most 32 are allowed"),
        (("o" * 41, "shop", "prod"), "cannot name an org", "it has 41 characters, and at most 40 are allowed"),
        (("acme", "shop\n", "prod"), "cannot name an app", "character 5 is '\\n'"),
    ],
)
def test_names_outside_the_grammar_are_refused_naming_the_character(
    parts: tuple[str, str, str], what: str, why: str
) -> None:
    with pytest.raises(BadInput) as caught:
        Slot(*parts)
    assert what in caught.value.what
    assert why in caught.value.why
