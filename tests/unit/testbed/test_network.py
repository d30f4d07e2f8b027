"""What is taken out of the kernel, read from what it tells."""

from pathlib import Path

import pytest

from testbed import network

OTHERS = """\
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 172.20.0.0/16 -o eth0 -j MASQUERADE
-A POSTROUTING -s 172.20.0.9/32 -d 172.20.0.1/32 -p tcp -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
-A INPUT -s 172.16.0.0/12 -p tcp -m tcp --dport 22 -j ACCEPT
-A FORWARD -i br-lan -o eth0 -j ACCEPT
-A FORWARD -i docker01 -j ACCEPT
COMMIT
"""


def test_an_admins_rules_for_addresses_like_the_engines_stay() -> None:
    assert network.removal(OTHERS) == "*nat\nCOMMIT\n*filter\nCOMMIT\n"


@pytest.mark.parametrize(
    "rule",
    [
        "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "-A POSTROUTING -s 192.168.16.0/20 ! -o br-0123456789ab -j MASQUERADE",
        "-A POSTROUTING -s 172.18.0.2/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 6443 -j MASQUERADE",
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
        "-A FORWARD -j DOCKER-ISOLATION-STAGE-1",
        "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    ],
)
def test_every_kind_of_rule_that_an_engine_makes_is_taken_out(rule: str) -> None:
    assert network.removal(f"*nat\n{rule}\nCOMMIT\n") == f"*nat\n-D{rule[2:]}\nCOMMIT\n"


def test_a_kernel_without_a_table_of_filters_forwards_what_comes() -> None:
    assert network.policy("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n") == "ACCEPT"
    assert network.policy("") == "ACCEPT"


def test_what_was_noted_of_the_settings_is_read_back(tmp_path: Path) -> None:
    note = tmp_path / "note"
    assert network.noted(note) == {}
    note.write_text('{"net/ipv4/ip_forward": "0"}')
    assert network.noted(note) == {"net/ipv4/ip_forward": "0"}


def test_an_interface_is_known_by_its_name() -> None:
    assert network.exists("lo") or network.exists("lo0")
    assert not network.exists("nobodys0")
