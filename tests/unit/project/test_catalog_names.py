"""A service that the catalog does not have is one of the faults of the file, at its place."""

from pathlib import Path

import pytest

from kilter.project.load import InvalidProject, load

CATALOG = ("postgres", "redis")
OWN = "for a name of your own write `orders: {type: <service>}`"
LACKS = "the catalog has no service"


def faults(folder: Path, text: str) -> list[str]:
    """The faults of a text before a catalog of two entries."""
    file = folder / "kilter.yaml"
    file.write_text(text)
    try:
        load(file, CATALOG)
    except InvalidProject as error:
        return [str(fault) for fault in error.faults]
    return []


@pytest.mark.requirement("CT-Q9", "Y2")
def test_an_unknown_service_is_listed_with_all_other_faults_and_the_nearest_entry(tmp_path: Path) -> None:
    text = "name: shop\n\nservices:\n  postgre:\n  redis: {hostPort: 1}\nprot: 80\n"
    assert faults(tmp_path, text) == [
        f"kilter.yaml:4:3 services.postgre: {LACKS} 'postgre' (did you mean 'postgres'?); it has postgres, redis",
        "kilter.yaml:5:21 services.redis.hostPort: expected a whole number from 30000 to 32767, got 1",
        "kilter.yaml:6:1 unknown key 'prot' (did you mean 'port'?)",
    ]


@pytest.mark.requirement("CT-Q9", "NS-Q7")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "name: shop\nservices: [redis, rediss]\n",
            f"kilter.yaml:2:19 services.rediss: {LACKS} 'rediss' (did you mean 'redis'?); it has postgres, redis",
        ),
        (
            "name: shop\nservices:\n  orders:\n    type: mysql\n",
            f"kilter.yaml:4:11 services.orders.type: {LACKS} 'mysql'; it has postgres, redis",
        ),
        (
            "name: shop\nservices: {orders: }\n",
            f"kilter.yaml:2:12 services.orders: {LACKS} 'orders'; it has postgres, redis; {OWN}",
        ),
    ],
)
def test_the_place_is_the_very_name_in_every_form_of_the_list(tmp_path: Path, text: str, fault: str) -> None:
    assert faults(tmp_path, text) == [fault]


@pytest.mark.parametrize("entry", ["orders: {type: postgres}", "mysql: false", "redis: '7'"])
def test_names_of_ones_own_and_withheld_services_need_no_entry(tmp_path: Path, entry: str) -> None:
    assert faults(tmp_path, f"name: shop\nservices: {{{entry}}}\n") == []
