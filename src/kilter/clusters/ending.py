"""Ends the container of a node, also one that cannot die by itself.

On a machine with cgroup v1 what is frozen hears of no signal. runc freezes a pod for a moment when it sets the pod's
limits: a node that is killed within it stays as it is for ever, with all that it holds, and Docker cannot thaw it.
"""

from msgspec.structs import replace

from kilter.proc import ANY_CODE, Command, Runner, failure
from kilter.tools import docker

UNDYING = "did not receive an exit event"  # Docker, ten seconds after it killed a container


def end(runner: Runner, command: Command, container: str, image: str) -> None:
    """Run a command that ends or removes a container; one that cannot die is thawed first.

    `container` is its id, `image` one that is here and has a shell: the container's own. Raises what the command does.
    """
    outcome = runner.run(replace(command, ok=ANY_CODE))
    if UNDYING in outcome.stderr:
        runner.run(docker.thaw(container, image))
        runner.run(command)
    elif outcome.code not in command.ok:
        raise failure(command, outcome)
