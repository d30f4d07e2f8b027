"""`kilter restart`: new pods on the old volumes."""

from kilter.clusters.lock import held
from kilter.dev import rendered
from kilter.dev.kubectl import kubectl
from kilter.dev.machine import Machine
from kilter.dev.ready import Wait, awaited, deadline
from kilter.dev.workspace import open_workspace
from kilter.project.load import Project


def restart(machine: Machine, project: Project, names: tuple[str, ...], timeout: float | None) -> str:
    """Replace the pods of the named workloads, of all when none is named, and wait `timeout` seconds for the new ones.

    Renders nothing and changes no value (LC-Q30). Raises BadInput for an unknown name, NotReady, TimedOut.
    """
    workspace = open_workspace(machine, project)
    chosen = workspace.known(names)
    with held(machine.paths, project.name, "restart", machine.progress):
        commands = kubectl(workspace)
        targets = [each for each in awaited(rendered.read(workspace.cache)) if each.service in chosen]
        for target in targets:
            machine.runner.run(commands.restart(f"{target.kind.lower()}/{target.name}"))
        if timeout is not None:
            limit = deadline(timeout)
            with machine.progress.step(f"wait for {', '.join(chosen)}") as step:
                for target in targets:
                    step.note(f"{target.name}: its new pod")
                    machine.runner.run(commands.rollout(f"{target.kind.lower()}/{target.name}", timeout=timeout))
                Wait(workspace, commands, targets, limit, lambda: None).run(step)
    return f"restarted {', '.join(chosen)}; volumes are as they were"
