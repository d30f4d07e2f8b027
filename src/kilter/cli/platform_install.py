"""`kilter platform install`."""

from pathlib import Path
from typing import Any

import click

from kilter.cli.app import App
from kilter.cli.options import Duration, PathThere, chosen, of_cluster


@click.command("install")
@of_cluster
@chosen("--cluster-domain", "domain", metavar="DOMAIN", help="Apps answer at <app>.<DOMAIN>.")
@chosen("--image", envvar="KILTER_PLATFORM_IMAGE", metavar="REF", help="Image of kilter's server and operator.")
@click.option(
    "--values", type=PathThere(exists=True, dir_okay=False, path_type=Path), help="Values of the chart, YAML."
)
@click.option("--timeout", type=Duration(), default="10m", show_default=True, help="How long to wait.")
@click.pass_obj
def command(app: App, /, values: Path | None, **given: Any) -> None:
    """Install the platform on a cluster, or bring it up to date.

    `--context` names a cluster of your kubeconfig; `--local` makes a cluster on this machine, to try everything out.
    Safe to run again at any time: passwords, keys, databases and images stay.
    """
    from kilter.platform.install import Options, install
    from kilter.project.source import content, decode

    more = decode(content(values), str(values)) if values else ""
    installed = install(app.machine, Options(**given, values=more))
    lines = [f"the platform answers at {installed.server}"]
    if installed.token:
        app.console.progress.note("this token is shown once; it may do everything")
        lines += [f"token  {installed.token}", f"next: kilter login --server {installed.server} --token -"]
    else:
        lines.append("its tokens are as they were; `kilter platform token create` makes another")
    app.console.result("\n".join(lines))
