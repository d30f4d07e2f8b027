"""`kilter restart`: new pods on the old volumes."""

from collections.abc import Sequence

from kilter.clusters.lock import held
from kilter.dev import rendered
from kilter.dev.kubectl import kubectl
from kilter.dev.machine import Machine
from kilter.dev.ready import Wait, awaited, deadline
from kilter.dev.workspace import Workspace, open_workspace
from kilter.errors import BadInput, NotReady
from kilter.project.load import Project
from kilter.render.tree import Workload


def restart(machine: Machine, project: Project, names: tuple[str, ...], timeout: float | None) -> str:
    """Replace the pods of the named workloads, of all when none is named, and wait `timeout` seconds for the new ones.

    Renders nothing and changes no value (LC-Q30). Raises BadInput for a name that is unknown or runs by the clock,
    NotReady, TimedOut.
    """
    workspace = open_workspace(machine, project)
    chosen = workspace.known(names)
    with held(machine.paths, project.name, "restart", machine.progress):
        commands = kubectl(workspace)
        targets = [each for each in awaited(rendered.read(workspace.cache)) if each.service in chosen]
        _look_for_pods(workspace, names, targets)
        restarted = ", ".join(dict.fromkeys(target.service for target in targets))
        for target in targets:
            machine.runner.run(commands.restart(f"{target.kind.lower()}/{target.name}"))
        if timeout is not None:
            with machine.progress.step(f"wait for {restarted}") as step:
                Wait(workspace, commands, targets, deadline(timeout)).run(step)
    return f"restarted {restarted}; volumes are as they were" if targets else "there is nothing to restart"


def _look_for_pods(workspace: Workspace, names: Sequence[str], targets: Sequence[Workload]) -> None:
    """Refuse what has no pod that could be replaced; without names, tell of it as long as there is something else."""
    clocked = [app.name for app in workspace.plan.apps if app.schedule]
    for name in names:
        if name in clocked:
            raise BadInput(
                f"{name} cannot be restarted",
                why="it runs by the clock, and each run has a new pod",
                hint=f"`kilter kubectl -- create job --from=cronjob/{name} {name}-now` runs it at once",
            )
    running = {target.service for target in targets}
    absent = [name for name in workspace.known(tuple(names)) if name not in running and name not in clocked]
    if absent and (names or not targets):
        raise NotReady(f"not up yet: {', '.join(absent)}", hint="run `kilter up`")
    if absent:
        workspace.machine.progress.warn(f"not up yet, and not restarted: {', '.join(absent)}; run `kilter up`")
