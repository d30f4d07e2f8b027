"""The commands of the testbed."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from testbed import engine, machine
from testbed.build import finished, locked, perform
from testbed.environment import export_lines, product_environment, without_foreign
from testbed.home import Home
from testbed.plan import DEMO, UnknownStage, keys_of, purposes, selection
from testbed.probe import why_needed
from testbed.processes import StartFailed
from testbed.running import Interrupted, ended_in_order
from testbed.stages import STAGES
from testbed.timeline import duration
from testbed.work import RECIPES, StageFailed, Work

CANNOT = 3  # exit code: this machine, or this user, cannot run it
NOT_NEEDED = "Docker works here and the public registries answer: the testbed is not needed, real images are used."


def up(home: Home, options: argparse.Namespace) -> int:
    """Make what is missing and start what does not run."""
    # What is made here is cached, and belongs to others than its maker in an image.
    os.umask(0o022)
    chosen = selection(STAGES, options.only, options.purpose)
    starts = any(stage.name == "running" for stage in chosen)
    # `env` and `exec` go by the engine that is there, so nothing else may be said of it here.
    if starts and not home.socket.exists():
        reason = why_needed(home)
        print(f"the testbed is needed: {reason}" if reason else NOT_NEEDED, file=sys.stderr)
        if not reason:
            return 0
    machine.check_system()
    if not all(stage.compiles or stage.name == "go" for stage in chosen):
        machine.check_user()
    if starts and not home.socket.exists():
        machine.check_engine()
    with locked(home):
        if starts:
            engine.check_only_one(home)
            machine.check_alone(home)
        perform(home, chosen, STAGES)
    if starts and home.socket.exists():
        print('the testbed stands; eval "$(python3 testbed env)" to use it', file=sys.stderr)
    return 0


def down(home: Home, _: argparse.Namespace) -> int:
    """Stop everything; only the cache stays."""
    if not home.run.is_dir():
        print("nothing of the testbed runs", file=sys.stderr)
        return 0
    machine.check_user()
    started = home.in_use()
    with locked(started), engine.machine_locked(started):
        # Another run may have ended it meanwhile, and what is left in the kernel is somebody else's.
        if home.run.is_dir():
            started.logs.mkdir(parents=True, exist_ok=True)
            engine.stop_all(Work(started, "down"))
    return 0


def status(home: Home, _: argparse.Namespace) -> int:
    """What is made and what runs."""
    home = home.in_use()
    keys = keys_of(RECIPES, STAGES)
    print(f"home     {home.root}")
    for service, pid in engine.running(home).items():
        print(f"service  {service:<29} {f'pid {pid}' if pid else 'not running'}")
    for stage in STAGES:
        if stage.cached:
            made = stage.sound(finished(home, stage, keys[stage.name]))
            word = "made" if made else f"missing (for {stage.purpose}; usually {duration(stage.usual)})"
            print(f"stage    {stage.name:<29} {keys[stage.name]}  {word}")
    for note in sorted(home.current.glob("*/image.json")):
        told = json.loads(note.read_text())
        print(f"image    {told['image']:<52} {told['bytes'] / 1e6:.0f} MB")
    return 0


def env(home: Home, _: argparse.Namespace) -> int:
    """Print the variables for sh; none where no engine of the testbed is there."""
    if home.socket.exists():
        sys.stdout.write(export_lines(product_environment(home.in_use(), os.environ)))
    else:
        print("the testbed does not run: there is nothing to set", file=sys.stderr)
    return 0


def execute(home: Home, options: argparse.Namespace) -> int:
    """Run a command in the testbed's environment, or as it is where no engine of the testbed is there."""
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        print("exec needs a command: python3 testbed exec -- COMMAND ARGUMENTS", file=sys.stderr)
        return 2
    variables = dict(os.environ)
    if home.socket.exists():
        variables = {**without_foreign(os.environ), **product_environment(home.in_use(), os.environ)}
    os.environ["PATH"] = variables.get("PATH", os.defpath)
    try:
        os.execvpe(words[0], words, variables)  # noqa: S606 - this is what the command is for
    except OSError as problem:
        print(f"cannot run {words[0]}: {problem.strerror}", file=sys.stderr)
        return 127


COMMANDS: dict[str, Callable[[Home, argparse.Namespace], int]] = {
    "up": up, "down": down, "status": status, "env": env, "exec": execute,
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python3 testbed", description="Make a bare Debian able to run clusters.")
    commands = top.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        one = commands.add_parser(name, help=function.__doc__)
        if name == "up":
            one.add_argument(
                "--for", dest="purpose", default=DEMO, choices=purposes(STAGES), help="whom it is to serve"
            )
            one.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="only these stages and their needs")
        if name == "exec":
            one.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    return top


def main(arguments: Sequence[str]) -> int:
    """Run one command; a failure is one message and status 1."""
    options = parser().parse_args(arguments)
    home = Home.from_environment(dict(os.environ))
    try:
        with ended_in_order():
            return COMMANDS[options.name](home, options)
    except (StageFailed, StartFailed, UnknownStage, Interrupted) as problem:
        print(f"testbed: {problem}", file=sys.stderr)
    except OSError as problem:
        where = f": {problem.filename}" if problem.filename else ""
        print(f"testbed: {problem.strerror or problem}{where}", file=sys.stderr)
    except machine.Unfit as problem:
        print(f"testbed: {problem}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        print("testbed: interrupted; run it again to go on from here", file=sys.stderr)
    return 1
