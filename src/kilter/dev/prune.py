"""Removing from the cluster what kilter made there and renders no longer: what has left kilter.yaml.

A running Tilt does the same by itself for what it applied; a Tilt that was started later knows nothing of it. What
proves that an object is kilter's is its own mark (`ownership.OBJECT`), never its name or a label alone.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kilter.dev.reclaim import VOLUMES, reclaim
from kilter.dev.workspace import Workspace
from kilter.render.ownership import OBJECT, PROJECT, PRUNED, identity
from kilter.render.tree import identities
from kilter.tools.kubectl import Kubectl, parse_list


def prune(workspace: Workspace, commands: Kubectl, files: Mapping[str, str]) -> list[str]:
    """Delete what a rendered tree no longer holds, volumes excepted, and return it as `<kind>/<name>`.

    A volume without its claim is given to the next one, because one look at the cluster serves both. Call it before the
    tree is applied: a number on localhost is free for another Service only when the old one is gone.
    """
    runner, progress = workspace.machine.runner, workspace.machine.progress
    question = commands.get(",".join([*PRUNED.values(), VOLUMES]), selector=f"{PROJECT}={workspace.name}")
    objects = parse_list(runner.run(question).stdout)
    reclaim(workspace, commands, objects)
    found = leftovers(objects, identities(files))
    if found:
        with progress.step("remove what kilter.yaml no longer asks for") as step:
            runner.run(commands.delete(*found))
            step.done(f"{', '.join(found)}; volumes stay")
    return found


def leftovers(objects: Iterable[Mapping[str, Any]], rendered: Collection[str]) -> list[str]:
    """Return which of the cluster's objects kilter made and `rendered` does not name, as `<kind>/<name>`, sorted.

    An object that another one owns goes with its owner, and one without its own mark is somebody else's.
    """
    return sorted(
        identity(item)
        for item in objects
        if item["kind"] in PRUNED
        and identity(item) not in rendered
        and (item["metadata"].get("annotations") or {}).get(OBJECT) == identity(item)
        and not {"ownerReferences", "deletionTimestamp"} & set(item["metadata"])
    )
