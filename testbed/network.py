"""What an engine changes in the kernel, and how to take it back: settings, rules, bridges, mounts, control groups."""

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.processes import write

RAISED = {"fs/inotify/max_user_instances": 1024, "fs/inotify/max_user_watches": 1_048_576}
FORWARDING = "net/ipv4/ip_forward"
# What others set on the way, noted so that `down` can put it back: dockerd forwarding, that of IPv6 for a network which
# has it; a node's kubelet and systemd what there is only once in a kernel.
NOTED = (
    FORWARDING, "net/ipv4/conf/all/forwarding", "net/ipv4/conf/default/forwarding",
    "net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding",
    "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "kernel/pid_max",
    *(f"fs/protected_{what}" for what in ("fifos", "hardlinks", "regular", "symlinks")),
)  # fmt: skip
PROGRAMS = ("iptables", "ip6tables")
# Jumps to its chains, what names its bridges, and a container's way to itself by a published port.
OWN_RULE = r" -[jg] DOCKER| -[io] (docker0|br-[0-9a-f]{12})\b| -s (\S+) -d \2 .*-j MASQUERADE$"


def raise_limits(note: Path, system: Path = Path("/proc/sys")) -> None:
    """Raise what two clusters and a file watcher need, remembering what was there before."""
    if not note.exists():
        before = {name: (system / name).read_text().strip() for name in (*RAISED, *NOTED) if (system / name).exists()}
        write(note, json.dumps(before))
    for name, wanted in RAISED.items():
        if int((system / name).read_text()) < wanted:
            (system / name).write_text(str(wanted))


def noted(note: Path) -> dict[str, str]:
    """The settings as they were remembered; none where nothing was."""
    before: dict[str, str] = json.loads(note.read_text()) if note.exists() else {}
    return before


def restore_limits(note: Path, system: Path = Path("/proc/sys")) -> None:
    """Put back what was remembered."""
    for name, value in noted(note).items():
        if (system / name).read_text().strip() != value:
            (system / name).write_text(value)


def removal(saved: str) -> str:
    """From the text of iptables-save, the iptables-restore text that takes the engine's rules and chains out."""
    out: list[str] = []
    chains: list[str] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            out.append(line)
            chains = []
        elif found := re.match(r":(DOCKER\S*) ", line):
            chains.append(found.group(1))
        elif line.startswith("-A ") and belongs_to_engine(line):
            out.append("-D" + line[2:])
        elif line == "COMMIT":
            out += [f"-F {chain}" for chain in chains] + [f"-X {chain}" for chain in chains]
            out.append(line)
    return "\n".join(out) + "\n"


def belongs_to_engine(rule: str) -> bool:
    """A rule in a built-in chain that the engine put there."""
    if rule.startswith("-A DOCKER"):
        return False
    return bool(re.search(OWN_RULE, rule))


def note_policies(note: Path, settings: Path, environment: Mapping[str, str]) -> None:
    """Remember what became of forwarded packets before the engine decided that, if it has not been started yet."""
    if not note.exists() and not settings.exists():
        told = {program: save(program, environment) for program in PROGRAMS}
        write(note, json.dumps({name: policy(saved) for name, saved in told.items() if saved is not None}))


def policy(saved: str) -> str:
    """The policy of forwarding in the text of iptables-save; without the chain, that of a kernel nobody told any."""
    filters = saved.partition("*filter\n")[2].partition("COMMIT")[0]
    found = re.search(r"^:FORWARD (\S+)", filters, re.MULTILINE)
    return found.group(1) if found else "ACCEPT"


def noted_policies(note: Path, settings: Path) -> dict[str, str]:
    """The policies as they were remembered, by program."""
    if note.exists():
        before: dict[str, str] = json.loads(note.read_text())
        return before
    # A testbed that was started by an older version. dockerd sets DROP only where it switched forwarding on itself.
    return dict.fromkeys(PROGRAMS, "ACCEPT") if noted(settings).get(FORWARDING) == "0" else {}


def save(program: str, environment: Mapping[str, str]) -> str | None:
    """What the tables of one program hold; None where it cannot tell."""
    words = ["env", f"{program}-save"]
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, env=dict(environment))
    except OSError:
        return None
    return None if done.returncode else done.stdout


def remove_rules(environment: Mapping[str, str], policies: Mapping[str, str]) -> None:
    """Take the engine's rules out of the kernel's tables, and put the policies of forwarding back."""
    for program in PROGRAMS:
        saved = save(program, environment)
        if saved is None:
            continue
        run_quietly([f"{program}-restore", "--noflush"], environment, removal(saved))
        # Where there is no chain of its own, no engine has come so far as to change the policy.
        if "DOCKER" in saved and policies.get(program, policy(saved)) != policy(saved):
            run_quietly([program, "-P", "FORWARD", policies[program]], environment)


def run_quietly(command: Sequence[str], environment: Mapping[str, str], text: str = "") -> str:
    """Run a program found on the given PATH, ignoring how it ends."""
    words = ["env", *command]
    return subprocess.run(words, check=False, input=text, capture_output=True, text=True, env=dict(environment)).stdout


def exists(interface: str) -> bool:
    """Whether there is a network interface of this name."""
    return interface in (name for _, name in socket.if_nameindex())


def remove_bridges(names: Sequence[str], environment: Mapping[str, str]) -> None:
    """Delete bridges that are there; they stay on a machine without iproute2, which no engine needs."""
    for name in names:
        run_quietly(["ip", "link", "delete", name, "type", "bridge"], environment)


def mounts_below(table: str, roots: Sequence[Path]) -> list[str]:
    """Mount points below some folders, the latest first, from the text of /proc/self/mounts."""
    points = [line.split(" ")[1].replace("\\040", " ") for line in table.splitlines()]
    return [point for point in reversed(points) if any(point.startswith(f"{root}/") for root in roots)]


def unmount_below(roots: Sequence[Path]) -> None:
    """Detach every mount that was left below some folders."""
    for point in mounts_below(Path("/proc/self/mounts").read_text(), roots):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def remove_control_groups(name: str, root: Path = Path("/sys/fs/cgroup")) -> None:
    """Remove the engine's own control groups, which are empty by now; a group still in use stays."""
    for top in (root / name, *root.glob(f"*/{name}")):
        inside = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True) if top.is_dir() else []
        for folder in (*inside, top):
            with contextlib.suppress(OSError):
                folder.rmdir()
