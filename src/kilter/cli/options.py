"""Options that several verbs share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kilter.errors import BadInput, KilterError
from kilter.words import duration

if TYPE_CHECKING:
    from kilter.cli.app import App


class Duration(click.ParamType[float]):
    """A duration such as 90s, 5m or 1h30m; the value is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the text; a number passes as it is."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class PathThere(click.Path):
    """A path that is meant from the directory that `-C` names."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Put the directory in front of a relative path."""
        app: App | None = ctx.obj if ctx else None  # none while a shell completes words
        return super().convert(str(app.named / value) if app else value, param, ctx)


def parts(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a service or an app; of an environment's the processes. No file that can be read: none."""
    from pathlib import Path

    from kilter.project.load import find, load
    from kilter.render.plan import workloads

    named = ctx.find_root().params["directory"]
    if named is None:  # `-C` names none that is there
        return []
    try:
        project = load(find(Path(named)))
        found = list(project.config.processes) if ctx.params.get("env") else workloads(project)
    except (KilterError, OSError):
        return []
    return [name for name in found if name.startswith(incomplete) and name not in ctx.params["names"]]


def chosen(*names: str, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add an option for a text, which may be left out but not typed empty: `--env "$UNSET"` must not mean prod."""
    return click.option(*names, default="", callback=_filled, **attributes)


def _filled(ctx: click.Context, option: click.Parameter, value: str) -> str:
    """Return the value. Raises BadInput for an empty one; in the environment that is one that is not set."""
    name = option.opts[0]
    source = ctx.get_parameter_source(option.name or "")
    if not value and source is ParameterSource.COMMANDLINE and not ctx.resilient_parsing:
        raise BadInput(
            f"`{name}` has an empty value",
            why="as a variable gives that is not set",
            hint=f"leave out `{name}`, or say what is meant",
        )
    return value


def json_output(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` and its alias `-o json`; the verb gets `as_json: bool`."""

    def merged(_ctx: click.Context, _param: click.Parameter, value: Any) -> bool:
        return value == "json" or value is True

    def wrapper(*args: Any, json: bool, output: bool, **rest: Any) -> Any:
        return command(*args, as_json=json or output, **rest)

    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    if hasattr(command, "__click_params__"):
        wrapper.__click_params__ = command.__click_params__  # type: ignore[attr-defined]
    flagged = click.option("--json", is_flag=True, help="Print one JSON document.")(wrapper)
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        callback=merged,
        help="Form of the output; json is the same as --json.",
    )(flagged)


def of_cluster(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--context` and `--local`, by one of which the administrator's verbs are told their cluster."""
    named = chosen("--context", metavar="NAME", help="A cluster of your kubeconfig, by its context.")
    trial = click.option("--local", is_flag=True, help="The trial platform on this machine.")
    return named(trial(command))


def on_command_line() -> set[str]:
    """Return the parameters of this run that were typed; the others have a default or come from the environment."""
    context = click.get_current_context()
    return {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
