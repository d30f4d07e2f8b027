"""`kilter platform uninstall`."""

import click

from kilter.cli.app import App
from kilter.cli.options import of_cluster


@click.command("uninstall")
@of_cluster
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(app: App, context: str, local: bool, yes: bool) -> None:
    """Remove the platform from a cluster.

    From a cluster of yours the programs go; databases, images, passwords, definitions and deployed apps stay. The trial
    platform of `--local` goes as a whole, with everything that was deployed to it.
    """
    from kilter.errors import NotReady
    from kilter.platform.status import existing
    from kilter.platform.uninstall import delete_local, environments, refuse_none, uninstall

    losses = ["the cluster kilter-platform with all databases and images in it"] if local else []
    try:
        with existing(app.machine, context, is_local=local) as target:
            if not local:
                refuse_none(app.machine, target)
            left = "its pods run on, without the platform's Gateway and PostgreSQL, and nobody looks after them"
            names = environments(app.machine, target)
            losses += [f"{name} goes" if local else f"{name}: {left}" for name in names]
            if not yes:
                app.ask_for_name(target.name.split()[-1], losses or [f"the platform on {target.name} goes"])
            if not local:
                uninstall(app.machine, target)
    except NotReady:  # the trial platform's cluster is stopped, and goes all the same
        if not yes:
            app.ask_for_name("kilter-platform", losses)
    if local:
        delete_local(app.machine)
    app.console.result("the platform is gone" if local else "the programs are gone; `kilter-apps` and all data stayed")
