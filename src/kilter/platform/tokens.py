"""Tokens for people, made by the administrator through the cluster: whoever may run programs there may let people in.

The token is printed by the server's own program in its pod, so that its text is nowhere but in that answer.
"""

from dataclasses import dataclass

from kilter.errors import Failed
from kilter.platform.target import Target
from kilter.proc import Runner

SERVER = "deployment/kilter-server"
PROGRAM = ("python", "-m", "kilter.server", "token")


@dataclass(frozen=True)
class Wanted:
    """Whose token it is, what it may do, and where: `project` and `env` may hold `*`."""

    actor: str
    role: str
    project: str
    env: str
    days: int


def create(runner: Runner, target: Target, wanted: Wanted) -> str:
    """Make a token and return it. Raises Failed with the server's words."""
    options = ("--actor", wanted.actor, "--role", wanted.role, "--project", wanted.project, "--env", wanted.env)
    return _run(runner, target, (*PROGRAM, *options, "--days", str(wanted.days)))


def create_first(runner: Runner, target: Target) -> str:
    """Make the first administrator's token; empty when there is a token already."""
    return _run(runner, target, (*PROGRAM, "--first"))


def _run(runner: Runner, target: Target, argv: tuple[str, ...]) -> str:
    printed = runner.run(target.kubectl.execute(SERVER, *argv, container="server")).stdout.strip()
    if printed and not printed.startswith("kilter_"):
        raise Failed("kilter-server printed something that is no token", details=printed.splitlines()[-3:])
    return printed
