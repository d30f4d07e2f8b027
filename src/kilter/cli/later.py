"""Options that later releases bring: known by name, hidden from help, and refused, lest anybody take them for done."""

from collections.abc import Callable
from typing import Any

import click

from kilter.errors import BadInput

HELP = "Not in this release."


def not_yet(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add options to a verb that refuses them with BadInput; one with a value is written `--plan-id=`."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            flag, takes_value, _ = name.partition("=")
            command = click.option(
                flag, is_flag=not takes_value, default=None, help=HELP, hidden=True, expose_value=False, callback=refuse
            )(command)
        return command

    return add


def refuse(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """Raise BadInput for an option that was given."""
    if value is not None and not ctx.resilient_parsing:
        name = option.opts[0]
        raise BadInput(f"this release of kilter has no `{name}` yet", hint=f"leave `{name}` out for now")
