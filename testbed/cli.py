"""The commands of the testbed."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from testbed import engine
from testbed.build import finished, locked, perform
from testbed.environment import export_lines, product_environment
from testbed.home import Home
from testbed.network import unmount_below
from testbed.plan import DEMO, UnknownStage, keys_of, purposes, selection
from testbed.probe import own_way_out
from testbed.processes import StartFailed
from testbed.stages import STAGES
from testbed.timeline import duration
from testbed.work import RECIPES, StageFailed, Work

NOT_NEEDED = "Docker works here and the public registries answer: the testbed is not needed, real images are used."


def up(home: Home, options: argparse.Namespace) -> int:
    """Make what is missing and start what does not run."""
    if own_way_out(home):
        print(NOT_NEEDED, file=sys.stderr)
        return 0
    if os.geteuid():
        print("the testbed starts a container engine of its own and must run as root", file=sys.stderr)
        return 1
    with locked(home):
        chosen = selection(STAGES, options.only, options.purpose)
        if any(stage.name == "running" for stage in chosen):
            check_only_one(home)
        perform(home, chosen, STAGES)
    print('the testbed stands; eval "$(python3 testbed env)" to use it', file=sys.stderr)
    return 0


def check_only_one(home: Home) -> None:
    """Two engines would fight over the bridge and the kernel's rules."""
    try:
        other = Path((home.run / "home").read_text())
    except OSError:
        return
    if other != home.root and any(engine.running(home).values()):
        hint = f"KILTER_TESTBED_HOME={other} python3 testbed down"
        raise StageFailed(f"a testbed runs from {other}; end it first: {hint}")


def down(home: Home, _: argparse.Namespace) -> int:
    """Stop everything; only the cache stays."""
    with locked(home):
        home.logs.mkdir(parents=True, exist_ok=True)
        engine.stop_all(Work(home, "down"))
    return 0


def status(home: Home, _: argparse.Namespace) -> int:
    """What is made and what runs."""
    keys = keys_of(RECIPES, STAGES)
    print(f"home     {home.root}")
    for service, pid in engine.running(home).items():
        print(f"service  {service:<29} {f'pid {pid}' if pid else 'not running'}")
    for stage in STAGES:
        if stage.cached:
            made = finished(home, stage, keys[stage.name]).is_dir()
            word = "made" if made else f"missing (for {stage.purpose}; usually {duration(stage.usual)})"
            print(f"stage    {stage.name:<29} {keys[stage.name]}  {word}")
    for note in sorted(home.current.glob("*/image.json")):
        told = json.loads(note.read_text())
        print(f"image    {told['image']:<52} {told['bytes'] / 1e6:.0f} MB")
    return 0


def env(home: Home, _: argparse.Namespace) -> int:
    """Print the variables for sh."""
    if not own_way_out(home):
        sys.stdout.write(export_lines(product_environment(home, os.environ)))
    return 0


def execute(home: Home, options: argparse.Namespace) -> int:
    """Run a command in the testbed's environment."""
    words = [word for word in options.command if word != "--"] if options.command[:1] == ["--"] else options.command
    if not words:
        print("exec needs a command: python3 testbed exec -- COMMAND ARGUMENTS", file=sys.stderr)
        return 2
    variables = dict(os.environ)
    if not own_way_out(home):
        variables.update(product_environment(home, os.environ))
    os.environ["PATH"] = variables.get("PATH", os.defpath)
    try:
        os.execvpe(words[0], words, variables)  # noqa: S606 - this is what the command is for
    except OSError as problem:
        print(f"cannot run {words[0]}: {problem.strerror}", file=sys.stderr)
        return 127


def clean(home: Home, options: argparse.Namespace) -> int:
    """Stop everything and remove the cache."""
    down(home, options)
    unmount_below([home.root])
    shutil.rmtree(home.root, ignore_errors=True)
    return 0


COMMANDS: dict[str, Callable[[Home, argparse.Namespace], int]] = {
    "up": up, "down": down, "status": status, "env": env, "exec": execute, "clean": clean,
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
        return COMMANDS[options.name](home, options)
    except (StageFailed, StartFailed, UnknownStage) as problem:
        print(f"testbed: {problem}", file=sys.stderr)
    except KeyboardInterrupt:
        print("testbed: interrupted; run it again to go on from here", file=sys.stderr)
    return 1
