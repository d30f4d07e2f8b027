"""Tokens for people, made by the administrator through the cluster: whoever may run programs there may let people in.

The token is printed by the server's own program in its pod, so that its text is nowhere but in that answer.
"""

from kilter.errors import Failed
from kilter.platform.target import Target
from kilter.proc import Runner

SERVER = "deployment/kilter-server"
PROGRAM = ("python", "-m", "kilter.server", "token")


def create(runner: Runner, target: Target, *, actor: str, role: str, project: str, days: int) -> str:
    """Make a token and return it. Raises Failed with the server's words."""
    argv = (*PROGRAM, "--actor", actor, "--role", role, "--project", project, "--days", str(days))
    return _run(runner, target, argv)


def create_first(runner: Runner, target: Target) -> str:
    """Make the first administrator's token; empty when there is a token already."""
    return _run(runner, target, (*PROGRAM, "--first"))


def _run(runner: Runner, target: Target, argv: tuple[str, ...]) -> str:
    printed = runner.run(target.kubectl.execute(SERVER, *argv, container="server")).stdout.strip()
    if printed and not printed.startswith("kilter_"):
        raise Failed("kilter-server printed something that is no token", details=printed.splitlines()[-3:])
    return printed
