"""kubectl for one project: its own file, context and namespace, whatever the user's shell says."""

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from kilter.dev.clusters import provider
from kilter.dev.machine import Machine
from kilter.dev.workspace import Workspace, open_workspace
from kilter.project.load import Project
from kilter.tools.kubectl import Kubectl


def kubectl(workspace: Workspace) -> Kubectl:
    """Return the commands for the project's running cluster, its kubeconfig made again where it is missing (NS-Q11).

    Raises NotFound without a cluster, NotReady when it does not run.
    """
    file = provider(workspace.machine).kubeconfig(workspace.name)
    binary = workspace.machine.tool("kubectl")  # afterwards: without a cluster nothing needs to be brought
    return Kubectl(binary, file, workspace.plan.context, workspace.plan.namespace)


def passthrough(machine: Machine, project: Project, arguments: Sequence[str], directory: Path) -> int:
    """Run kubectl with the user's own arguments in a directory and return its exit code (NS-Q9)."""
    workspace = open_workspace(machine, project)
    unreached = Kubectl("kubectl", workspace.kubeconfig, workspace.plan.context, workspace.plan.namespace)
    unreached.passthrough(arguments)  # a refusal needs no cluster
    return machine.runner.attach(replace(kubectl(workspace).passthrough(arguments), cwd=directory))
