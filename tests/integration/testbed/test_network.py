"""What is taken out of the kernel, asked of stand-ins of its programs."""

from pathlib import Path

import pytest

from testbed import network


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


@pytest.mark.parametrize("policy", ["ACCEPT", "DROP"])
def test_the_policy_of_forwarding_is_the_one_before_the_engine(
    programs: dict[str, str], policy: str, tmp_path: Path
) -> None:
    """An admin's firewall may have closed it although nothing was forwarded yet."""
    folder, note, settings = Path(programs["PATH"]), tmp_path / "policies.json", tmp_path / "sysctl.json"
    (folder / "saved").write_text(f"*nat\n:FORWARD X\nCOMMIT\n*filter\n:FORWARD {policy} [0:0]\nCOMMIT\n")
    network.note_policies(note, settings, programs)
    settings.write_text('{"net/ipv4/ip_forward": "0"}')
    (folder / "saved").write_text("*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\nCOMMIT\n")
    network.note_policies(note, settings, programs)
    network.remove_rules(programs, network.noted_policies(note, settings))
    changed = [line for line in asked(programs) if " -P " in line]
    assert changed == ([] if policy == "DROP" else ["iptables -P FORWARD ACCEPT"])


def test_a_program_that_cannot_tell_a_policy_is_never_asked_to_change_it(tmp_path: Path) -> None:
    note = tmp_path / "policies.json"
    network.note_policies(note, tmp_path / "sysctl.json", {"PATH": str(tmp_path)})
    assert network.noted_policies(note, tmp_path / "sysctl.json") == {}


@pytest.mark.parametrize(("forwarding", "before"), [("0", "ACCEPT"), ("1", None)])
def test_a_testbed_that_noted_no_policy_is_ended_as_it_was_then(
    forwarding: str, before: str | None, tmp_path: Path, programs: dict[str, str]
) -> None:
    note, settings = tmp_path / "policies.json", tmp_path / "sysctl.json"
    settings.write_text(f'{{"net/ipv4/ip_forward": "{forwarding}"}}')
    network.note_policies(note, settings, programs)
    assert not note.exists()
    assert network.noted_policies(note, settings).get("iptables") == before


def test_a_policy_stays_where_no_engine_has_left_a_chain(programs: dict[str, str]) -> None:
    (Path(programs["PATH"]) / "saved").write_text("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n")
    network.remove_rules(programs, {"iptables": "ACCEPT"})
    assert not any(" -P " in line for line in asked(programs))


def test_without_a_program_for_bridges_the_rest_is_taken_back_all_the_same(programs: dict[str, str]) -> None:
    network.remove_bridges(["docker0"], programs)


def test_bridges_are_deleted_by_name(programs: dict[str, str]) -> None:
    folder = Path(programs["PATH"])
    (folder / "iptables").rename(folder / "ip")
    network.remove_bridges(["docker0", "mine0"], programs)
    assert asked(programs) == ["iptables link delete docker0 type bridge", "iptables link delete mine0 type bridge"]
