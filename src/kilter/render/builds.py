"""How the user's images are built, read off their Dockerfiles."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from kilter.project.dockerfile_sync import holders, missed, sync_rules
from kilter.project.load import Project
from kilter.project.model import Component
from kilter.render.model import BuildPlan

DEV_STAGE = "dev"
# A running program takes up copied files only when it watches them; these words in its command say that it does.
RELOADS = frozenset({"--reload", "--watch", "--hot", "nodemon", "watchfiles", "watchmedo", "vite", "dev", "watch"})
IGNORED = (
    "**/.git",
    "**/.kilter",
    "**/.venv",
    "**/node_modules",
    "**/__pycache__",
    "**/.env",
    "**/.env.*",
    "!**/.env.example",
    "!**/.env.sample",
    "!**/.env.template",
)


def build_plan(project: Project, name: str, component: Component) -> BuildPlan | None:
    """Decide how a component's image is built: its stage, what is synced live, what builds it again.

    None for a component that runs a given image. Looks at the project's files, to tell files from directories.
    Raises BadInput when the Dockerfile cannot be read.
    """
    dockerfile = project.dockerfile(component)
    if dockerfile is None:
        return None
    context = str(PurePosixPath(component.path))
    target = project.target(component, DEV_STAGE)
    here = project.inside(component.path)
    file = _inside(context, component.dockerfile or "Dockerfile")
    place = project.inside(file).relative_to(project.root.resolve()).as_posix()
    rules, taken = sync_rules(dockerfile, target, here), holders(dockerfile, target, here)
    return BuildPlan(
        reference=f"{project.name}/{name}",
        context=context,
        dockerfile=file,
        link_to="" if place == file else place,
        target=target or "",
        live=bool(rules.sync) and (target is not None or reloads(component.command or ())),
        sync=tuple((_inside(context, local), remote) for local, remote in rules.sync),
        rebuild_on=tuple(_inside(context, local) for local in rules.rebuild_on if _is_plain(local)),
        only=() if "." in taken else taken,
        missed=missed(dockerfile, target),
    )


def reloads(command: Sequence[str]) -> bool:
    """Tell whether a command starts a program that takes up changed files by itself."""
    return bool(RELOADS & {word.rpartition("/")[2] for word in command})


def _inside(context: str, local: str) -> str:
    return str(PurePosixPath(context) / local)


def _is_plain(path: str) -> bool:
    """Tell whether a source of COPY is a path; Tilt takes no patterns."""
    return not set(path) & set("*?[")
