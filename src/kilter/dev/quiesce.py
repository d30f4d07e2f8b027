"""Letting databases close their files before their node is stopped (LC-Q11).

The kubelet goes first, so that it starts nothing again; then the project's containers and etcd get the signal that ends
a server in good order, and a bounded time. What the node runs without data of its own ends at once, for in good order
it would keep the node waiting. Done with what every kind node has: systemctl, ctr and xargs.
"""

import time
from contextlib import suppress

from kilter.clusters.node import stopping_mark
from kilter.dev.machine import Machine
from kilter.errors import KilterError, MachineLacks
from kilter.progress import Step
from kilter.state.files import write_whole
from kilter.tools import docker

PATIENCE = 15.0  # seconds for all containers together; a database that needs longer recovers from its log
CTR = ("ctr", "--namespace", "k8s.io")
# PostgreSQL reads SIGTERM as "wait for the clients" and SIGINT as "close now, in good order"; Redis saves on both.
SIGNALS = ("SIGTERM", "SIGINT")
SOME_FAILED = 123  # xargs' exit code


def _in(namespace: str, names: str = ".+") -> str:
    """Choose the containers of a namespace, by a pattern of their names in their pods."""
    return f'labels."io.kubernetes.pod.namespace"=={namespace},labels."io.kubernetes.container.name"~="^({names})$"'


# Cluster DNS serves on for five seconds, and the API server waits for those who watch it: nobody does any more.
WITHOUT_DATA = (_in("kube-system", "coredns|kube-apiserver|kube-controller-manager|kube-scheduler"),)


def with_data(project: str) -> tuple[str, ...]:
    """Choose what may have files to close: the project's containers, and the cluster's own database."""
    return _in(f"{project}-dev"), _in("kube-system", "etcd")


def quiesce(machine: Machine, node: str, project: str, step: Step) -> None:
    """End the containers of a project in good order; what fails here only makes the stop less gentle.

    Where it is cut off before the node is stopped, the next start of the node finds a mark, and makes it work again.
    """
    step.note("the databases close their files")
    try:
        with suppress(MachineLacks):  # a full disk: all the more must the databases close
            write_whole(stopping_mark(machine.paths, project), "")
        machine.runner.run(docker.execute(node, "systemctl", "stop", "kubelet"))
        closing = _containers(machine, node, with_data(project))
        idle, running = _containers(machine, node, WITHOUT_DATA), _running(machine, node)
        _signal(machine, node, "SIGKILL", idle & running)
        for signal in SIGNALS:
            _signal(machine, node, signal, closing & running)
            running = _running(machine, node)
        limit = time.monotonic() + PATIENCE
        while closing & running and time.monotonic() < limit:
            time.sleep(0.2)
            running = _running(machine, node)
    except KilterError as error:
        machine.progress.warn(f"the databases were not asked to close first: {error.what}")


def _signal(machine: Machine, node: str, signal: str, containers: set[str]) -> None:
    """Signal containers, of which some may have ended; all at once, because each entry into the node takes a while."""
    if containers:
        each = ("xargs", "-r", "-n", "1", "-P", str(len(containers)), *CTR, "tasks", "kill", "--signal", signal)
        machine.runner.run(docker.execute(node, *each, stdin="\n".join(sorted(containers)), ok=(0, SOME_FAILED)))


def _containers(machine: Machine, node: str, chosen: tuple[str, ...]) -> set[str]:
    listed = machine.runner.run(docker.execute(node, *CTR, "containers", "list", "--quiet", *chosen))
    return set(listed.stdout.split())


def _running(machine: Machine, node: str) -> set[str]:
    lines = machine.runner.run(docker.execute(node, *CTR, "tasks", "list")).stdout.splitlines()[1:]
    return {line.split()[0] for line in lines if line.split()[2:] == ["RUNNING"]}
