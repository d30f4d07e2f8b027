"""Letting databases close their files before their node is stopped (LC-Q11).

The kubelet goes first, so that it starts nothing again; then the project's containers get the signal that ends a
server in good order, and a bounded time. Done with what every kind node has: systemctl, ctr and xargs.
"""

import time
from contextlib import suppress

from kilter.clusters.node import stopping_mark
from kilter.dev.machine import Machine
from kilter.errors import KilterError, MachineLacks
from kilter.proc import Command
from kilter.progress import Step
from kilter.state.files import write_whole
from kilter.tools import docker

PATIENCE = 15.0  # seconds for all containers together; a database that needs longer recovers from its log
CTR = ("ctr", "--namespace", "k8s.io")
# PostgreSQL reads SIGTERM as "wait for the clients" and SIGINT as "close now, in good order"; Redis saves on both.
SIGNALS = ("SIGTERM", "SIGINT")
SOME_FAILED = 123  # xargs' exit code


def quiesce(machine: Machine, node: str, project: str, step: Step) -> None:
    """End the containers of a project in good order; what fails here only makes the stop less gentle.

    Where it is cut off before the node is stopped, the next start of the node finds a mark, and makes it work again.
    """
    step.note("the databases close their files")
    try:
        with suppress(MachineLacks):  # a full disk: all the more must the databases close
            write_whole(stopping_mark(machine.paths, project), "")
        machine.runner.run(docker.execute(node, "systemctl", "stop", "kubelet"))
        ids = _containers(machine, node, f"{project}-dev")
        for signal in SIGNALS:
            if running := ids & _running(machine, node):
                machine.runner.run(_signalled(node, signal, running))
        limit = time.monotonic() + PATIENCE
        while ids & _running(machine, node) and time.monotonic() < limit:
            time.sleep(0.2)
    except KilterError as error:
        machine.progress.warn(f"the databases were not asked to close first: {error.what}")


def _signalled(node: str, signal: str, containers: set[str]) -> Command:
    """Signal containers, of which some may have ended; all at once, because each entry into the node takes a while."""
    each = ("xargs", "-r", "-n", "1", "-P", str(len(containers)), *CTR, "tasks", "kill", "--signal", signal)
    return docker.execute(node, *each, stdin="\n".join(sorted(containers)), ok=(0, SOME_FAILED))


def _containers(machine: Machine, node: str, namespace: str) -> set[str]:
    chosen = f'labels."io.kubernetes.pod.namespace"=={namespace},labels."io.cri-containerd.kind"==container'
    listed = machine.runner.run(docker.execute(node, *CTR, "containers", "list", "--quiet", chosen))
    return set(listed.stdout.split())


def _running(machine: Machine, node: str) -> set[str]:
    lines = machine.runner.run(docker.execute(node, *CTR, "tasks", "list")).stdout.splitlines()[1:]
    return {line.split()[0] for line in lines if line.split()[2:] == ["RUNNING"]}
