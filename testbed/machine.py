"""Whether this machine can run the testbed, and whether it may: asked before anything is made."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from testbed import debian, engine, network, processes
from testbed.home import Home
from testbed.work import StageFailed

SYSTEM = ("Linux", "x86_64")
PROGRAMS = ("apt-get", "dpkg-deb", "unshare", "mount", "chroot", "tar")
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
SETTINGS = (*network.RAISED, network.FORWARDING)


class Unfit(RuntimeError):
    """This machine, or this user, cannot run the testbed; the message is a sentence that says why."""


def check_system() -> None:
    """All that is made is for one system. Raises Unfit."""
    here = platform.system(), platform.machine()
    if here != SYSTEM:
        raise Unfit(f"the testbed needs {' on '.join(SYSTEM)}, and this is {' on '.join(here)}")


def check_user() -> None:
    """An engine, and a file system of another owner's, take root. Raises Unfit."""
    if os.geteuid():
        raise Unfit("the testbed has a container engine of its own and must run as root")


def check_engine(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> None:
    """What an engine and the packages it is made of need. Raises Unfit for the first thing that is not there."""
    for program in PROGRAMS:
        if not shutil.which(program):
            raise Unfit(f"the testbed is made of Debian's packages, and there is no `{program}` on PATH")
    held = held_capabilities((proc / "self/status").read_text())
    missing = [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]
    if missing:
        raise Unfit(f"a container engine needs {' and '.join(missing)}, which root of this container does not have")
    for setting in SETTINGS:
        if not os.access(proc / "sys" / setting, os.W_OK):
            raise Unfit(f"a container engine changes the kernel's settings, and /proc/sys/{setting} cannot be written")
    if not (groups / "cgroup.controllers").exists() and not (groups / "devices").is_dir():
        raise Unfit(f"a container engine needs control groups, and {groups} has none")
    check_archive()


def held_capabilities(status: str) -> int:
    """The capabilities that are in effect, as bits, from the text of /proc/self/status."""
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)


def check_archive(keyring: Path = Path(debian.KEYRING)) -> None:
    """Everything comes from the Debian archive that this machine uses. Raises Unfit where it uses none."""
    told = subprocess.run(
        ["apt-get", "indextargets", *debian.TARGETS], check=False, capture_output=True, text=True
    ).stdout  # fmt: skip
    if not told.strip():
        return  # no lists yet: whatever wants a package says so, and what is cached wants none
    try:
        debian.archive(told)
    except StageFailed as problem:
        raise Unfit(f"the testbed is made of Debian's packages: {problem}") from problem
    if not keyring.exists():
        raise Unfit(f"the testbed is made of Debian's packages, and their keys are not here: {keyring}")


def check_alone(home: Home) -> None:
    """Another engine's bridge and rules would be shared, and taken away at the end. Raises Unfit."""
    if engine.stranger(home):
        raise Unfit(
            f"another container engine answers on {engine.DEFAULT_SOCKET}, and the testbed's would share the bridge "
            "docker0 and the kernel's rules with it; stop that one (`systemctl stop docker.socket docker`), then run "
            "this again"
        )
    if network.exists(engine.BRIDGE) and not home.run.is_dir() and (others := processes.named("dockerd")):
        raise Unfit(
            f"another container engine (process {others[0]}) runs here and has the bridge docker0, which the testbed's "
            "would share with it; stop that one, then run this again"
        )
