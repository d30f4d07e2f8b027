"""`kilter platform install`: from a cluster that is named, or from none, to a server that lets the first person in."""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from kilter.clusters.lock import held
from kilter.dev.machine import Machine
from kilter.errors import BadInput
from kilter.platform import gateway, local, nodes, parts, tokens, values
from kilter.platform.pending import settle
from kilter.platform.repository import look_at_repository
from kilter.platform.target import LOCAL, NAMESPACE, Target, check_choice, of_context, of_local
from kilter.platform.values import CRDS, PLATFORM, Values, Wanted
from kilter.render.charts import chart
from kilter.render.text import dump


@dataclass(frozen=True)
class Options:
    """What the administrator said; `values` is YAML for the chart, `timeout` in seconds."""

    context: str = ""
    local: bool = False
    domain: str = ""
    image: str = ""
    values: str = ""
    timeout: float = 600.0


@dataclass(frozen=True)
class Installed:
    """The platform: its server's address, and the first administrator's token, which is told once."""

    server: str
    token: str


def install(machine: Machine, options: Options) -> Installed:
    """Install the platform, or bring it up to date. May be stopped anywhere and run again.

    Raises BadInput, NotAllowed for a project's own cluster, Failed when the cluster refuses a chart, NotReady.
    """
    check_choice(options.context, local=options.local)
    _check(options)
    with ExitStack() as opened:
        if options.local:
            opened.enter_context(held(machine.paths, LOCAL, "platform install", machine.progress))
            made = local.ensure(machine)
            target = of_local(machine, made.kubeconfig)
            image, platforms = local.published(machine, options.image), nodes.platforms(machine.runner, target)
            found = values.of_trial(Wanted(local.DOMAIN, image, options.values, platforms), made.port)
        else:
            target = opened.enter_context(of_context(machine, options.context))
            platforms = nodes.platforms(machine.runner, target)
            found = values.of_cluster(Wanted(options.domain, options.image, options.values, platforms))
        values.refuse_own_registry(found)
        _apply(machine, target, found)
        _await(machine, target, time.monotonic() + options.timeout)
        return Installed(values.server(found), tokens.create_first(machine.runner, target))


def _check(options: Options) -> None:
    if not options.image:
        raise BadInput(
            "no image of kilter's server and operator is named",
            why="this release of kilter publishes none",
            hint="build one from kilter's repository with `make platform-image`, and name it by --image",
        )
    if options.local and options.domain:
        raise BadInput(
            "a trial platform takes no --cluster-domain",
            why=f"its apps answer at names below {local.DOMAIN}",
            hint="leave it out, or name a cluster of yours by --context",
        )
    if not options.local and not options.domain:
        raise BadInput("the domain of the apps is not named", hint="`--cluster-domain apps.example.com`")


def _apply(machine: Machine, target: Target, found: Values) -> None:
    labels = {"app.kubernetes.io/part-of": "kilter", "pod-security.kubernetes.io/enforce": "restricted"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    run, text = machine.runner.run, dump(found, header="")
    with machine.progress.step(f"install the platform on {target.name}") as step:
        run(target.kubectl.apply(dump(space, header="")))
        settle(machine.runner, target, machine.progress, step)
        step.note("definitions")
        run(target.helm.upgrade(CRDS, chart("kilter-platform-crds"), dump(values.definitions(found), header="")))
        step.note("programs")
        run(target.helm.upgrade(PLATFORM, chart("kilter-platform"), text))


def _await(machine: Machine, target: Target, limit: float) -> None:
    with machine.progress.step("wait until every program of it runs") as step:
        parts.await_all(machine.runner, target, limit, step)
    with machine.progress.step("wait until the Gateway serves it") as step:
        gateway.await_door(machine.runner, target, limit, step)
    look_at_repository(machine.runner, target, limit, machine.progress)
