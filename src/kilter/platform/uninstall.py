"""`kilter platform uninstall`: the programs go; what people made stays, unless the trial platform goes as a whole."""

from kilter.clusters.lock import held
from kilter.dev import clusters
from kilter.dev.machine import Machine
from kilter.errors import NotFound
from kilter.platform import local
from kilter.platform.pending import await_others
from kilter.platform.target import LOCAL, Target
from kilter.platform.values import CRDS, PLATFORM
from kilter.state import records
from kilter.tools.helm import parse_releases
from kilter.tools.kubectl import parse_list


def environments(machine: Machine, target: Target) -> list[str]:
    """Return the deployed environments, `acme/shop/prod` each; empty where there are none, or no platform."""
    kinds = machine.runner.run(target.kubectl.get("customresourcedefinition", "kilterapps.kilter.dev")).stdout
    if not kinds.strip():
        return []
    found = parse_list(machine.runner.run(target.kubectl.get("kilterapps", "--all-namespaces")).stdout)
    specs = [item["spec"] for item in found]
    return sorted(f"{spec['org']}/{spec['app']}/{spec['env']}" for spec in specs)


def refuse_none(machine: Machine, target: Target) -> None:
    """Raise NotFound where no platform is installed: whoever means another cluster would think it gone."""
    known = parse_releases(machine.runner.run(target.helm.releases()).stdout)
    if not known.keys() & {PLATFORM, CRDS}:
        raise NotFound(
            f"there is no platform on {target.name}", hint="`kubectl config get-contexts` lists the clusters"
        )


def uninstall(machine: Machine, target: Target) -> None:
    """Remove both releases; what they keep is in the manual. Environments run on, with nobody to look after them."""
    with machine.progress.step(f"remove the platform from {target.name}") as step:
        await_others(machine.runner, target, step)
        for release in (PLATFORM, CRDS):
            step.note(release)
            machine.runner.run(target.helm.uninstall(release))


def delete_local(machine: Machine) -> bool:
    """Delete the trial platform's cluster with all that is in it; returns whether there was one.

    Raises OwnedElsewhere when a project of the user's is called `platform`.
    """
    with held(machine.paths, LOCAL, "platform uninstall", machine.progress):
        local.refuse_foreign(machine)
        with machine.progress.step("delete the cluster kilter-platform"):
            deleted = clusters.provider(machine).delete(LOCAL)
        records.forget(machine.paths, LOCAL)
    return deleted
