"""The group `kilter`: its table of verbs, its global options, and the edge where errors become exit codes."""

import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from kilter import __version__
from kilter.cli.console import Console, Style
from kilter.errors import Interrupted, KilterError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMPLETE = "_KILTER_COMPLETE"  # the variable in which a shell's completion script says what it asks


class Verb(NamedTuple):
    """Where a command lives and the sentence that `kilter --help` shows for it."""

    module: str
    help: str


VERBS = {
    "init": Verb("kilter.cli.init", "Write a kilter.yaml for this directory."),
    "up": Verb("kilter.cli.up", "Start the project's cluster, its services and the dev loop."),
    "down": Verb("kilter.cli.down", "End the dev loop (Tilt); the cluster and its services run on."),
    "stop": Verb("kilter.cli.stop", "Stop the cluster and free its memory; all data is kept."),
    "destroy": Verb("kilter.cli.destroy", "Delete the cluster and all its data."),
    "status": Verb(
        "kilter.cli.status", "Show the project's services, apps and pods, or how an environment of the platform stands."
    ),
    "logs": Verb("kilter.cli.logs", "Show the logs of services and apps."),
    "restart": Verb("kilter.cli.restart", "Replace the pods of services or apps; volumes are kept."),
    "ps": Verb("kilter.cli.ps", "List the kilter projects that run on this machine."),
    "env": Verb("kilter.cli.env", "Print the addresses of every service as environment variables."),
    "render": Verb("kilter.cli.render", "Render the project's manifests, Tiltfile and cluster config."),
    "kubectl": Verb("kilter.cli.kubectl", "Run kubectl against the project's own cluster."),
    "login": Verb("kilter.cli.login", "Log in to a platform, once per machine."),
    "logout": Verb("kilter.cli.logout", "Forget the login to the current platform."),
    "whoami": Verb("kilter.cli.whoami", "Show who this machine is logged in as, and with which rights."),
    "deploy": Verb(
        "kilter.cli.deploy", "Build this project, and run it on the platform, until it answers at its public address."
    ),
    "apps": Verb("kilter.cli.apps", "List the projects on the platform and how their environments stand."),
    "releases": Verb("kilter.cli.releases", "List the deploys of an environment, newest first."),
    "open": Verb("kilter.cli.open", "Open an environment's address in the browser, and print it."),
    "platform": Verb("kilter.cli.platform", "Install and look after a platform: the cluster that a team deploys to."),
    "doctor": Verb("kilter.cli.doctor", "Check what this machine needs to run kilter."),
    "version": Verb("kilter.cli.version", "Print the versions of kilter and of the tools it pins."),
    "completion": Verb("kilter.cli.completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group that imports a verb's module only when that verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one verb; None when there is no such verb."""
        if name not in VERBS:
            return None
        command: click.Command = import_module(VERBS[name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of verbs without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; an unknown one fails with the nearest known."""
        if args and args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from kilter.words import did_you_mean  # start-up: needed only for a word that is wrong

            ctx.fail(f"no command {args[0]!r}{did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Offer the verbs, without importing any of them, or the options."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name, help=verb.help) for name, verb in VERBS.items() if name.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)


def print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Print `kilter <version>` and end; the version of the package is the only one."""
    if value and not ctx.resilient_parsing:
        click.echo(f"kilter {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-C",
    "--directory",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    help="Act as if started in this directory.",
)
@click.option(
    "--progress",
    type=click.Choice([style.value for style in Style]),
    default="auto",
    help="How progress is shown on stderr: live on a terminal, plain lines, JSON lines, or not at all.",
)
@click.option("-q", "--quiet", is_flag=True, help="Same as --progress quiet.")
@click.option("-v", "--verbose", is_flag=True, help="Show where an unforeseen error came from.")
@click.option("--no-color", is_flag=True, help="No colours (as the environment variable NO_COLOR).")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Print the version."
)
@click.pass_context
def kilter(ctx: click.Context, /, directory: str, **shown: Any) -> None:
    """A real Kubernetes cluster for every repository.

    Start with `kilter init` and `kilter up` in a project's directory. `kilter COMMAND --help` tells about a command.
    """
    from kilter.cli.app import App

    style = Style.QUIET if shown["quiet"] else Style(shown["progress"])
    console: Console = ctx.meta["kilter.console"]
    console.configure(style, color=not (shown["no_color"] or os.environ.get("NO_COLOR")), verbose=shown["verbose"])
    ctx.obj = App.from_environment(console, directory)


def run(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one return per kind of end
    """Run one command line and return its exit code; the only place where errors meet the terminal."""
    console = Console()
    console.foresee(arguments)
    try:
        if asked := os.environ.get(COMPLETE):
            from click.shell_completion import shell_complete  # start-up: only a shell asks

            return shell_complete(kilter, {}, "kilter", COMPLETE, asked)
        if not arguments:
            console.result(kilter.get_help(click.Context(kilter, info_name="kilter")))
            return 2
        with kilter.make_context("kilter", list(arguments)) as ctx:
            ctx.meta["kilter.console"] = console
            ctx.call_on_close(console.end_progress)
            result = kilter.invoke(ctx)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return console.usage(error)
    except KilterError as error:
        return console.error(error)
    except (KeyboardInterrupt, click.Abort):
        return console.error(Interrupted("interrupted", hint="run the same command again to go on"))
    except BrokenPipeError:
        return console.broken_pipe()
    except OSError as error:
        return console.system(error)
    except Exception as error:  # noqa: BLE001 - the last edge: a bug must end as one readable report
        return console.bug(error)
