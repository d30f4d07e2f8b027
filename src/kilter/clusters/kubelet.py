"""What is added to the unit of a node's kubelet, which runs before any pod of the node does.

Until kube-proxy knows the cluster's own addresses, what pods send to them leaves the node. Most networks swallow it,
and who asked waits for 30 seconds: so does cluster DNS when a node starts, and all who ask it for a name. What is
refused at once is tried again after a second.
"""

from contextlib import suppress

from kilter.state.files import write_whole
from kilter.state.paths import Paths

FILE = "kubelet.conf"  # in the folder `Paths.identity`, from where a cluster's config mounts it
# By kubeadm's rules the API server and cluster DNS have these; once kube-proxy knows them, nothing comes this far.
ADDRESSES = ("10.96.0.1", "10.96.0.10")
UNIT = f"""\
[Service]
ExecStartPre=-/bin/sh -c 'for to in {" ".join(ADDRESSES)}; do \
iptables -w -C FORWARD -d $$to -j REJECT || iptables -w -A FORWARD -d $$to -j REJECT; done'
"""


def write_unit(paths: Paths, project: str) -> None:
    """Write the file for a node that is about to be made or started. Raises MachineLacks."""
    file = paths.identity(project) / FILE
    with suppress(OSError):
        file.rmdir()  # Docker makes a folder in the place of a file that is gone, and starts no node over it
    write_whole(file, UNIT, mode=0o644)
