from pathlib import Path

import pytest
from unit.render.support import BASE, planned

from kilter.render.addresses import Address, addresses, environment_text
from kilter.render.envfile import Difference, compare, masked, read

SHOP = "name: shop\nservices: [postgres, redis]\n"


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Address, ...]:
    return addresses(planned(tmp_path, SHOP))


@pytest.mark.requirement("NS-22", "NS-23", "NS-24", "NS-25", "NS-26", "NS-27", "NS-28", "NS-Q19", "NS-Q21", "NS-8")
def test_every_service_has_both_addresses_in_two_sections(shop: tuple[Address, ...]) -> None:
    assert environment_text(shop).splitlines() == [
        "# In-cluster (K8s DNS):",
        "DATABASE_URL=postgresql://ada:s3cret@postgres.shop-dev.svc:5432/ada",
        "REDIS_URL=redis://:s3cret@redis.shop-dev.svc:6379/0",
        "SHOP_URL=http://shop.shop-dev.svc:8000",
        "# Localhost (NodePort mapping):",
        f"DATABASE_URL=postgresql://ada:s3cret@localhost:{BASE}/ada",
        f"REDIS_URL=redis://:s3cret@localhost:{BASE + 1}/0",
        f"SHOP_URL=http://localhost:{BASE + 2}",
        f"TILT_URL=http://localhost:{BASE + 19}",
    ]


@pytest.mark.requirement("NS-Q20")
def test_one_section_alone_has_no_title(shop: tuple[Address, ...]) -> None:
    text = environment_text(shop, "localhost")
    assert "#" not in text
    assert ".svc" not in text
    assert "localhost" not in environment_text(shop, "in-cluster")


@pytest.mark.requirement("NS-Q20")
def test_lines_for_a_shell_are_quoted() -> None:
    address = Address("a", "service", "A_URL", "", "x://it's $HOME", 1)
    assert environment_text([address], "localhost", "export") == """export A_URL='x://it'"'"'s $HOME'"""


def test_an_app_named_database_does_not_hide_the_database(tmp_path: Path) -> None:
    text = "name: shop\nservices: [postgres]\ncomponents: {database: {image: 'x:1', port: 80}}\n"
    variables = [address.variable for address in addresses(planned(tmp_path, text))]
    assert variables == ["DATABASE_URL", "DATABASE_APP_URL", "TILT_URL"]


def test_no_two_addresses_have_one_variable(tmp_path: Path) -> None:
    names = ("database", "database-app", "tilt", "tilt-app")
    apps = ", ".join(f"{name}: {{image: 'x:1', port: 80}}" for name in names)
    found = addresses(planned(tmp_path, f"name: shop\nservices: [postgres]\ncomponents: {{{apps}}}\n"))
    assert {address.name: address.variable for address in found if address.kind == "app"} == {
        "database": "DATABASE_APP_APP_URL",
        "database-app": "DATABASE_APP_URL",
        "tilt": "TILT_APP_APP_URL",
        "tilt-app": "TILT_APP_URL",
    }


def test_passwords_do_not_appear_when_addresses_are_printed(shop: tuple[Address, ...]) -> None:
    assert "s3cret" not in repr(shop)


def differences(text: str, shop: tuple[Address, ...]) -> list[Difference]:
    return compare(text, shop, {30000: "wiki"}, ("DATABASE_URL", "REDIS_URL"))


@pytest.mark.requirement("NS-Q27", "NS-40")
def test_a_copy_of_the_localhost_section_does_not_differ(shop: tuple[Address, ...]) -> None:
    assert differences(environment_text(shop, "localhost"), shop) == []


@pytest.mark.requirement("NS-Q27")
def test_harmless_spellings_do_not_differ(shop: tuple[Address, ...]) -> None:
    text = f"""
    export DATABASE_URL="postgres://ada:s3cret@127.0.0.1:{BASE}/ada?schema=public" # comment
    REDIS_URL=redis://:s3cret@localhost:{BASE + 1}/0 # comment
    STRIPE_KEY=anything
    """.replace('" # comment', '"')
    assert differences(text, shop) == []


@pytest.mark.requirement("NS-Q27", "NS-36", "NS-37", "NS-38", "NS-39")
def test_every_kind_of_staleness_is_named(shop: tuple[Address, ...]) -> None:
    text = f"""
DATABASE_URL=postgresql://ada:s3cret@localhost:30000/ada
ORDERS_DATABASE_URL=postgresql://ada:s3cret@localhost:{BASE + 7}/ada
MAIL=http://localhost:30000
SHOP_URL=http://localhost:1
"""
    found = {each.variable: each for each in differences(text, shop)}
    assert {name: each.kind for name, each in found.items()} == {
        "DATABASE_URL": "foreign",
        "REDIS_URL": "missing",
        "SHOP_URL": "changed",
        "ORDERS_DATABASE_URL": "extra",
        "MAIL": "foreign",
    }
    assert "port 30000 belongs to project wiki" in found["DATABASE_URL"].says
    assert "s3cret" not in str([str(each) for each in found.values()])


def test_the_address_for_pods_is_told_from_a_wrong_one(shop: tuple[Address, ...]) -> None:
    text = environment_text(shop, "in-cluster")
    assert {each.kind for each in differences(text, shop)} == {"changed"}
    assert all("is the address for pods" in each.says for each in differences(text, shop))


def test_another_password_is_told_without_showing_either(shop: tuple[Address, ...]) -> None:
    text = environment_text(shop, "localhost").replace("s3cret", "0ther")
    found = differences(text, shop)
    assert {each.says for each in found} == {"has another password"}


def test_a_password_is_masked_wherever_a_url_has_one() -> None:
    assert masked("redis://:abc@h:1/0") == "redis://:***@h:1/0"
    assert masked("postgresql://u:p@h/d?x=1") == "postgresql://u:***@h/d?x=1"
    assert masked("http://h:1") == "http://h:1"
    assert masked('"redis://:abc@h:1/0" # of old') == '"redis://:***@h:1/0" # of old'
    for odd in ("pass word", "p/ss", "p@ss", "p?#"):
        assert masked(f"postgres://u:{odd}@h:1/d") == "postgres://u:***@h:1/d"
    assert masked("postgres://u s:pw@h/d") == "postgres://u s:***@h/d"
    assert masked("one redis://:a@h, postgresql://u:b@h/d") == "one redis://:***@h, postgresql://u:***@h/d"


def test_quotes_and_the_comment_behind_them_are_no_part_of_a_value() -> None:
    text = """A="x#y"  # why\nB='x' \nC=x#y # why\nD="x" y\nE=""\n"""
    assert read(text) == {"A": "x#y", "B": "x", "C": "x#y", "D": '"x" y', "E": ""}


def test_the_last_of_two_lines_counts() -> None:
    assert read("A=1\n# A=3\nA='2'\nnonsense\n") == {"A": "2"}


@pytest.mark.parametrize("text", ["X=http://localhost:{}\n", "X=localhost:{}\n"])
def test_a_port_of_thousands_of_digits_is_none(text: str) -> None:
    assert compare(text.format("1" * 5000), [], {}) == []
