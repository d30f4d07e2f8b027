"""Rendering a project into its cache folder, and comparing what is there with what would be (`kilter render`)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kilter.clusters.lock import held
from kilter.clusters.ports import has_ipv6
from kilter.dev import rendered, tilt
from kilter.dev.charts import render_charts
from kilter.dev.machine import Machine
from kilter.dev.tilt import TiltLife
from kilter.dev.workspace import Workspace, open_workspace
from kilter.errors import BadInput
from kilter.project.load import Project
from kilter.render.changes import changes, unified
from kilter.render.options import RenderOptions
from kilter.render.tree import chart_jobs, render
from kilter.state.ledger import Allocation
from kilter.state.paths import Paths
from kilter.words import did_you_mean


@dataclass(frozen=True)
class Rendering:
    """A project's files as they should be, by path relative to its cache folder."""

    workspace: Workspace
    files: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """What a render would change: the names, and a unified diff of all of them."""

    names: tuple[str, ...]
    text: str


def rendering(machine: Machine, project: Project) -> Rendering:
    """Render a project; needs no cluster, and no network where helm is at hand (CT-Q39)."""
    workspace = open_workspace(machine, project)
    helm = machine.tool("helm")
    return Rendering(workspace, render_files(workspace, helm))


def render_files(workspace: Workspace, helm: Path) -> dict[str, str]:
    """Return the project's files; the same project, machine and version of kilter give the same bytes."""
    charts = render_charts(workspace.machine, helm, chart_jobs(workspace.plan))
    return render(workspace.plan, charts, options_of(workspace))


def options_of(workspace: Workspace) -> RenderOptions:
    """Return the facts of this machine that rendering depends on."""
    return machine_options(workspace.machine.paths, workspace.allocation, workspace.node_image)


def machine_options(paths: Paths, allocation: Allocation, node_image: str) -> RenderOptions:
    """Return the facts of this machine that a cluster's config depends on, for whoever owns the block of ports."""
    return RenderOptions(
        base=allocation.base,
        node_image=node_image,
        cgroup_v1=is_cgroup_v1(),
        ipv6=has_ipv6(),
        data_dir=paths.volumes(allocation.project),
        identity_dir=paths.identity(allocation.project),
        certs_dir=paths.certs_dir,
    )


def is_cgroup_v1(root: Path = Path("/sys/fs/cgroup")) -> bool:
    """Tell whether this host has the old control groups, on which the kubelet must be told to start (decision 12).

    Without /sys/fs/cgroup (macOS) the engine runs in a virtual machine of its own, which has version 2.
    """
    return root.is_dir() and not (root / "cgroup.controllers").exists()


def difference(fresh: Rendering, things: Sequence[str]) -> Difference:
    """Compare the files on disk with a fresh rendering; nothing is written."""
    old, new = rendered.read(fresh.workspace.cache), fresh.files
    names = chosen(things, old.keys() | new.keys())
    before = {name: old[name] for name in names if name in old}
    after = {name: new[name] for name in names if name in new}
    return Difference(changes(before, after).names, unified(before, after))


def select(fresh: Rendering, things: Sequence[str]) -> str:
    """Return the text of the chosen files, each under a line with its name."""
    names = chosen(things, fresh.files.keys())
    return "\n".join(f"# --- {name}\n{fresh.files[name]}" for name in names)


def render_and_write(machine: Machine, fresh: Rendering, things: Sequence[str]) -> str:
    """Swap the fresh files in, all of them, and make a running Tilt take them over; returns what changed.

    Raises BadInput for a thing that is none of the files.
    """
    workspace = fresh.workspace
    chosen(things, rendered.read(workspace.cache).keys() | fresh.files.keys())
    with held(machine.paths, workspace.name, "render", machine.progress):
        changed = write(workspace, fresh.files)
        if changed and (known := tilt.running(workspace)):
            TiltLife(tilt.commands(machine.tool("tilt"), workspace), workspace).take_over(known)
    shown = [f"  {name}" for name in changed] or ["  nothing changed"]
    return "\n".join([f"rendered into {workspace.cache}:", *shown])


def write(workspace: Workspace, files: Mapping[str, str]) -> list[str]:
    """Write a project's files and say so when edits in the cache are overwritten (CT-Q27); returns what changed."""
    for name in rendered.edited(workspace.cache):
        workspace.machine.progress.warn(
            f"{workspace.cache / name} was edited: it is rendered anew; change kilter.yaml instead"
        )
    return rendered.write(workspace.cache, files)


def chosen(things: Sequence[str], names: Collection[str]) -> list[str]:
    """Return the files that the things name: a path, or one without its ending; all files when there is no thing."""
    if not things:
        return sorted(names)
    found = []
    for thing in things:
        matching = [name for name in sorted(names) if name == thing or name.rpartition(".")[0] == thing]
        if not matching:
            raise BadInput(
                f"there is no rendered {thing!r}{did_you_mean(thing, names)}",
                hint=f"there are: {', '.join(sorted(names))}",
            )
        found += matching
    return found
