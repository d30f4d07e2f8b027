import errno
import socket
from pathlib import Path
from typing import Self

import pytest
from fakes import FakeRunner

from kilter.clusters import ports
from kilter.clusters.ports import Holder, check, holders
from kilter.errors import MachineLacks
from kilter.proc import Outcome
from kilter.tools import docker

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Process files of a machine where nginx (77) listens on 30001, and somebody else's program on 30002 over IPv6.

    psql (78) listens on 30005 over IPv6, and is connected by 30001 and 30003.
    """
    (tmp_path / "net").mkdir()
    listening = f"   0: 0100007F:{30001:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 1111 1\n"
    talking = "".join(
        f"   1: 0100007F:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0  0 3333 1\n"
        for port, state in ((30003, "01"), (30001, "01"), (30004, "06"))
    )
    other = f"   0: {'0' * 32}:{30002:04X} {'0' * 32}:0000 0A 00000000:00000000 00:00000000 00000000  0  0 2222 1\n"
    (tmp_path / "net" / "tcp").write_text(HEADER + talking + listening)
    (tmp_path / "net" / "tcp6").write_text(HEADER + other + other.replace("2222", "4444").replace("7532", "7535"))
    descriptors = tmp_path / "77" / "fd"
    descriptors.mkdir(parents=True)
    (descriptors / "3").symlink_to("socket:[1111]")
    (descriptors / "0").symlink_to("/dev/null")
    (tmp_path / "77" / "comm").write_text("nginx\n")
    (tmp_path / "78" / "fd").mkdir(parents=True)
    (tmp_path / "78" / "fd" / "5").symlink_to("socket:[3333]")
    (tmp_path / "78" / "fd" / "6").symlink_to("socket:[4444]")
    (tmp_path / "78" / "comm").write_text("psql\n")
    (tmp_path / "79").mkdir()  # another user's
    (tmp_path / "self").mkdir()
    return tmp_path


@pytest.mark.requirement("NS-Q16")
def test_the_holder_of_a_port_is_named_with_its_process(proc: Path) -> None:
    assert holders([30001, 30002], proc) == [Holder(30001, 77, "nginx"), Holder(30002)]
    assert holders([30005], proc) == [Holder(30005, 78, "psql")]
    (proc / "78" / "comm").unlink()
    assert holders([30005], proc) == [Holder(30005, 78)], "it ended meanwhile"
    assert str(Holder(30001, 77, "nginx")) == "port 30001 is held by nginx (process 77)"
    assert str(Holder(30002)) == "port 30002 is held by a program of another user"


def test_a_connection_that_has_a_port_is_named_too_but_not_one_that_is_over(proc: Path) -> None:
    assert holders([30003, 30004], proc) == [Holder(30003, 78, "psql"), Holder(30004)]


def test_a_machine_without_process_files_still_names_the_port(tmp_path: Path) -> None:
    assert holders([30001], tmp_path) == [Holder(30001)]
    assert holders([], tmp_path) == []


@pytest.mark.requirement("NS-Q16", "C13")
def test_all_taken_ports_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port not in (30001, 30002))
    monkeypatch.setattr(ports, "holders", lambda taken: [Holder(port, 7, "x") for port in taken])
    nobody = FakeRunner({docker.publishing(30001).argv: "", docker.publishing(30001, 30002).argv: ""})
    check(nobody, [30000, 30003])
    with pytest.raises(MachineLacks, match=r"port 30001 is held by x \(process 7\)") as caught:
        check(nobody, [30000, 30001])
    assert "end the program" in caught.value.hint
    with pytest.raises(MachineLacks, match="2 of the project's ports") as caught:
        check(nobody, range(30000, 30019))
    assert len(caught.value.details) == 2


@pytest.mark.requirement("NS-Q16")
def test_a_port_that_docker_holds_is_named_by_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that listens is Docker's own, and root's."""
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    monkeypatch.setattr(ports, "holders", lambda taken: [Holder(port) for port in taken])
    with pytest.raises(MachineLacks, match="port 30001 is held by the container old-db") as caught:
        check(FakeRunner({docker.publishing(30001).argv: '{"Names": "old-db"}'}), [30001])
    assert caught.value.hint.startswith("end the container ")
    with pytest.raises(MachineLacks, match="port 30001 is held by a program of another user"):
        check(FakeRunner({docker.publishing(30001).argv: Outcome(1, "", "Cannot connect")}), [30001])
    some = {docker.publishing(30001, 30002).argv: "{}", docker.publishing(30001).argv: ""}
    runner = FakeRunner({**some, docker.publishing(30002).argv: '{"Names": "old-db"}'})
    with pytest.raises(MachineLacks, match="2 of the project's ports are held by other programs") as caught:
        check(runner, [30001, 30002])
    assert caught.value.details == (str(Holder(30001)), "port 30002 is held by the container old-db")


class FakeSocket:
    """A socket whose bind fails with what the test says, per address."""

    faults: dict[str | int, int]

    def __init__(self, family: int, _: int) -> None:
        if family in self.faults:
            raise OSError(self.faults[family], "no")
        self.options = set[tuple[int, int, int]]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def setsockopt(self, *option: int) -> None:
        self.options.add((option[0], option[1], option[2]))

    def bind(self, address: tuple[str, int]) -> None:
        lingers = address[1] and (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1) not in self.options
        if lingers:
            raise OSError(errno.EADDRINUSE, "a connection is not quite over")
        if address[0] in self.faults:
            raise OSError(self.faults[address[0]], "no")


@pytest.mark.requirement("NS-Q17")
@pytest.mark.parametrize(
    ("faults", "free", "ipv6"),
    [
        ({}, True, True),
        ({"127.0.0.1": errno.EADDRINUSE}, False, True),
        ({"127.0.0.1": errno.EACCES}, False, True),
        ({"::1": errno.EADDRINUSE}, False, False),
        ({"::1": errno.EADDRNOTAVAIL}, True, False),
        ({socket.AF_INET6: errno.EAFNOSUPPORT}, True, False),
    ],
)
def test_a_port_must_be_free_on_every_loopback_that_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, faults: dict[str | int, int], free: bool, ipv6: bool
) -> None:
    monkeypatch.setattr(FakeSocket, "faults", faults, raising=False)
    monkeypatch.setattr(socket, "socket", FakeSocket)
    assert ports.is_free(30001) is free
    assert ports.has_ipv6() is ipv6
