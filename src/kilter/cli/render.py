"""`kilter render`."""

import click

from kilter.cli.app import App


@click.command("render")
@click.argument("things", nargs=-1, metavar="[THING]...")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if anything would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Write nothing; print the rendered files.")
@click.pass_obj
def command(app: App, things: tuple[str, ...], check: bool, diff: bool, to_stdout: bool) -> int:
    """Render the project's manifests, Tiltfile and cluster config.

    Needs no cluster, and no network once helm is on this machine; it starts nothing, and a running dev loop takes the
    new files over. A THING is a file of the tree, such as `Tiltfile` or `manifests/postgres`, and chooses what is
    shown; written is always the whole tree.
    """
    from kilter.dev.rendering import difference, render_and_write, rendering, select

    fresh = rendering(app.machine, app.project())
    if to_stdout:
        app.console.result(select(fresh, things))
    elif check or diff:
        changed = difference(fresh, things)
        app.console.result(changed.text if diff else "\n".join(changed.names))
        return 1 if check and changed.names else 0
    else:
        app.console.result(render_and_write(app.machine, fresh, things))
    return 0
