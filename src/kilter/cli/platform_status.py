"""`kilter platform status`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output, of_cluster

WALLS = {
    True: "enforced",
    False: "not enforced: apps can reach each other; install a network plugin that enforces them",
    None: "unknown: kilter-server could not reach kilter-operator to try",
}
STORES = {
    True: "answers",
    False: "does not answer: no request can be carried out; the log of kilter-server says why",
    None: "unknown: kilter-server could not be asked",
}


@click.command("status")
@of_cluster
@json_output
@click.pass_obj
def command(app: App, context: str, local: bool, as_json: bool) -> int:
    """Show what is installed, and whether it runs.

    Ends with exit code 10 when something does not.
    """
    from kilter.cli.views import columns
    from kilter.errors import NotReady
    from kilter.platform.repository import told
    from kilter.platform.status import existing, status

    with existing(app.machine, context, is_local=local) as target:
        found = status(app.machine, target)
    if as_json:
        app.console.document(found)
    else:
        rows = [("PROGRAM", "READY", "IMAGE")]
        rows += [(part.name, f"{part.ready}/{part.wanted}", part.image) for part in found.parts]
        head = f"{found.release} on {found.cluster} is {found.state} (revision {found.revision})"
        walls = f"network policies  {WALLS[found.network_policy_enforced]}"
        gateway = f"gateway  {found.gateway.name}: {'; '.join(found.gateway.faults) or 'serves'}"
        store = f"store  {STORES[found.store_answers]}"
        lines = [head, f"server  {found.server}", store, gateway, f"repository  {told(found.repository)}", walls]
        app.console.result("\n".join([*lines, *columns(rows)]))
    return 0 if found.ready else NotReady.exit_code
