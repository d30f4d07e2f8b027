"""The cluster that the platform is on, or is to be: one that is named, never one that happens to be current."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from kilter.clusters import kubeconfig
from kilter.clusters.node import context_name
from kilter.dev.machine import Machine
from kilter.errors import BadInput, NotAllowed, NotFound, Unreachable
from kilter.proc import ANY_CODE, Command
from kilter.state import records
from kilter.state.files import write_whole
from kilter.state.scratch import scratch
from kilter.tools.helm import Helm
from kilter.tools.kubectl import NO_PREFERENCES, Kubectl

NAMESPACE = "kilter-system"
LOCAL = "platform"  # the project whose cluster `--local` makes: `kilter-platform`


@dataclass(frozen=True)
class Target:
    """A cluster: how it is named to people, and what speaks to it through a kubeconfig with that one context."""

    name: str
    helm: Helm
    kubectl: Kubectl

    def command(self, verb: str) -> str:
        """Write a `kilter platform` command that means this cluster."""
        context = self.kubectl.context
        choice = "--local" if context == context_name(LOCAL) else f"--context {shlex.quote(context)}"
        return f"`kilter platform {verb} {choice}`"

    @property
    def again(self) -> str:
        """The next step where something of the platform has not come up."""
        return f"{self.command('status')} looks again; the same command again goes on"


def check_choice(context: str, *, local: bool) -> None:
    """Raise BadInput unless exactly one cluster is meant."""
    if bool(context) == local:
        raise BadInput(
            "which cluster is meant?" if not local else "--local and --context name two clusters",
            hint="`--context NAME` is a cluster of your kubeconfig, `--local` is a trial platform on this machine",
        )


@contextmanager
def of_context(machine: Machine, context: str) -> Iterator[Target]:
    """Give the cluster of a context of the user's kubeconfig; that file is read, never changed.

    Raises NotFound for an unknown context, NotAllowed for a project's own cluster.
    """
    kubectl, helm = machine.tool("kubectl"), machine.tool("helm")
    with scratch(machine.paths, "platform") as folder:
        file = folder / "config.d" / "kubeconfig"
        text = machine.runner.run(view(kubectl, context)).stdout
        _refuse_own(machine, context, text)
        write_whole(file, text)
        own = Kubectl(kubectl, file, context, NAMESPACE)
        answer = machine.runner.run(replace(own.get_raw("/version"), ok=ANY_CODE))
        if answer.code != 0:
            what, hint = f"the cluster of context {context!r} does not answer", "let `kubectl --context` reach it first"
            raise Unreachable(what, hint=hint, details=answer.stderr.splitlines())
        yield Target(f"context {context}", Helm(helm, file, NAMESPACE, folder / "helm"), own)


def of_local(machine: Machine, file: Path) -> Target:
    """Return the trial platform's cluster on this machine."""
    kubectl, helm = machine.tool("kubectl"), machine.tool("helm")
    files = machine.paths.project_cache(LOCAL) / "helm"
    own = Kubectl(kubectl, file, context_name(LOCAL), NAMESPACE)
    trace = machine.paths.project_data(LOCAL) / "helm"
    return Target("cluster kilter-platform", Helm(helm, file, NAMESPACE, files, trace), own)


def view(kubectl: Path, context: str) -> Command:
    """Ask for one context of the user's kubeconfig, complete in itself."""
    argv = (str(kubectl), "config", "view", "--context", context, "--minify", "--flatten", "--raw", "--output", "json")
    hint = "`kubectl config get-contexts` lists those there are"
    return Command(argv, env=NO_PREFERENCES, timeout=20, error=NotFound, hint=hint)


def _refuse_own(machine: Machine, context: str, text: str) -> None:
    """A project's cluster goes with the project, and everything deployed would go with it."""
    servers = _servers(json.loads(text))
    for known in records.all(machine.paths):
        file = machine.paths.kubeconfig(known.project)
        own = context == context_name(known.project)
        if own or kubeconfig.leads_to(file, servers):
            raise NotAllowed(
                f"{context} is the cluster of the project {known.project}",
                why="`kilter destroy` there would delete the platform and everything deployed on it",
                hint="name another cluster, or make a trial platform by `kilter platform install --local`",
            )


def _servers(config: dict[str, Any]) -> set[str]:
    return {str(entry["cluster"]["server"]) for entry in config.get("clusters") or []}
