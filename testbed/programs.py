"""The programs of the container engine, unpacked from Debian packages; nothing is installed on the machine."""

import shutil
from pathlib import Path

from testbed import debian, pins
from testbed.work import Work

NEW_PACKAGES = ("docker.io", "docker-cli", "containerd", "docker-buildx")
# runc of the newer suite refuses cgroup v1 hosts that the older one serves.
OLD_PACKAGES = (
    "runc", "iptables", "libip4tc2", "libip6tc2", "libxtables12", "libmnl0", "libnftnl11", "libnfnetlink0",
    "libnetfilter-conntrack3", "docker-registry", "tini",
)  # fmt: skip
IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
WRAPPER = """\
#!/bin/sh
here="$(dirname "$0")/../tree"
export LD_LIBRARY_PATH="$here/usr/lib/x86_64-linux-gnu" XTABLES_LIBDIR="$here/usr/lib/x86_64-linux-gnu/xtables"
exec "$here/usr/sbin/xtables-nft-multi" {name} "$@"
"""


def build(work: Work, target: Path) -> None:
    """Unpack engine, client and registry into one tree."""
    tree, scratch = target / "tree", target / "scratch"
    debian.unpack(work, pins.DEBIAN_NEW, NEW_PACKAGES, tree, scratch)
    debian.unpack(work, pins.DEBIAN_OLD, OLD_PACKAGES, tree, scratch)
    shutil.rmtree(scratch)
    client, tools = target / "client", target / "tools"
    client.mkdir()
    tools.mkdir()
    (client / "docker").symlink_to("../tree/usr/bin/docker")
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        (tools / name).symlink_to(f"../tree/usr/bin/{name}")
    for name in ("dockerd", "docker-proxy", "runc"):
        (tools / name).symlink_to(f"../tree/usr/sbin/{name}")
    for name in IPTABLES:
        (tools / name).write_text(WRAPPER.format(name=name))
        (tools / name).chmod(0o755)
