"""Where the operator gets its parts from: the charts through helm, and the writer of the flux repository."""

import shutil
from pathlib import Path

from kilter.errors import BadInput, MachineLacks
from kilter.operator.program import Seams
from kilter.operator.releases import Helm, Renderer
from kilter.operator.repository import Repository
from kilter.operator.settings import Settings
from kilter.operator.steps.flux import installation
from kilter.proc import Runner, SubprocessRunner
from kilter.tools import helm
from kilter.tools.versions import HELM, accepts, parse_version


def seams(settings: Settings) -> Seams:
    """Return the operator's parts for these settings. Raises BadInput and MachineLacks for what is missing."""
    if not settings.git.url:
        raise BadInput("KILTER_GIT_URL is not set", why="the operator would not know where to publish")
    runner = SubprocessRunner()
    render = Renderer(Helm(runner, found_helm(settings.helm, runner), settings.git.folder / "helm"))
    return Seams(render, Repository(runner, settings.git, installation(settings)))


def found_helm(name: str, runner: Runner) -> Path:
    """Return the path of helm, once it has said that its version will do: another would render other bytes.

    Raises MachineLacks.
    """
    where = shutil.which(name)
    if where is None:
        raise MachineLacks(f"there is no {name}", hint="put helm on PATH, or name it by KILTER_HELM")
    printed = runner.run(helm.version(where)).stdout.strip()
    if not accepts(HELM, parse_version(printed)):
        raise MachineLacks(f"{where} is helm {printed}", why=f"needed is {HELM.accepted}", hint="set KILTER_HELM")
    return Path(where)
