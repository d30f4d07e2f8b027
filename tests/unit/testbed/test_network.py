"""What is taken out of the kernel, asked of stand-ins of its programs."""

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


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """A PATH on which the programs of the kernel's tables only say what they were asked."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "env").symlink_to("/usr/bin/env")
    (folder / "saved").write_text("*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\nCOMMIT\n")
    for name in ("iptables", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{folder}/asked"\n')
    (folder / "iptables-save").write_text(f'#!/bin/sh\n/bin/cat "{folder}/saved"\n')
    for program in folder.glob("ip*"):
        program.chmod(0o755)
    return {"PATH": str(folder)}


def asked(programs: dict[str, str]) -> list[str]:
    """What the programs were asked."""
    return (Path(programs["PATH"]) / "asked").read_text().splitlines()


def test_the_policy_of_forwarding_is_put_back_where_the_engine_changed_it(programs: dict[str, str]) -> None:
    network.remove_rules(programs, {"net/ipv4/ip_forward": "0"})
    assert "iptables -P FORWARD ACCEPT" in asked(programs)
    assert "ip6tables -P FORWARD ACCEPT" not in asked(programs)


@pytest.mark.parametrize("before", [{"net/ipv4/ip_forward": "1"}, {}])
def test_the_policy_of_forwarding_stays_where_forwarding_was_on(
    programs: dict[str, str], before: dict[str, str]
) -> None:
    network.remove_rules(programs, before)
    assert asked(programs) == ["iptables-restore --noflush", "ip6tables-save ", "ip6tables-restore --noflush"]


def test_what_was_noted_of_the_settings_is_read_back(tmp_path: Path) -> None:
    note = tmp_path / "note"
    assert network.noted(note) == {}
    note.write_text('{"net/ipv4/ip_forward": "0"}')
    assert network.noted(note) == {"net/ipv4/ip_forward": "0"}


def test_without_a_program_for_bridges_the_rest_is_taken_back_all_the_same(programs: dict[str, str]) -> None:
    network.remove_bridges(["docker0"], programs)


def test_bridges_are_deleted_by_name(programs: dict[str, str]) -> None:
    folder = Path(programs["PATH"])
    (folder / "iptables").rename(folder / "ip")
    network.remove_bridges(["docker0", "mine0"], programs)
    assert asked(programs) == ["iptables link delete docker0 type bridge", "iptables link delete mine0 type bridge"]
