"""Where everything of a project answers: inside the cluster, and on this machine."""

import shlex
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from kilter.render.model import Plan, ServicePlan
from kilter.render.services import variable_name, variables
from kilter.values import Value

Section = Literal["in-cluster", "localhost"]
TITLES: dict[Section, str] = {
    "in-cluster": "# In-cluster (K8s DNS):",
    "localhost": "# Localhost (NodePort mapping):",
}


class Address(Value, frozen=True):
    """One variable with its two values. `in_cluster` is empty where pods have none (Tilt's page).

    `secret` says that the values hold a password; they are left out of `repr`.
    """

    name: str
    kind: Literal["service", "app", "tilt"]
    variable: str
    in_cluster: str
    localhost: str
    port: int
    secret: bool = False

    hidden = ("in_cluster", "localhost")

    def value(self, section: Section) -> str:
        """Return the value for pods, or for this machine."""
        return self.in_cluster if section == "in-cluster" else self.localhost


def addresses(plan: Plan) -> tuple[Address, ...]:
    """Return every address of a project: services, then apps with a port, then Tilt's page.

    Services have the variables that apps are given; an app's is `<NAME>_URL`, Tilt's is `TILT_URL`.
    """
    found = [address for service in plan.services for address in _of_service(plan, service)]
    taken = {address.variable for address in found} | {"TILT_URL"}
    for app in plan.apps:
        if app.port and app.node_port:
            variable = _variable(app.name, taken | {_variable(each.name) for each in plan.apps if each is not app})
            inside = f"http://{plan.host(app.name)}:{app.port}"
            outside = f"http://localhost:{app.node_port}"
            found.append(Address(app.name, "app", variable, inside, outside, app.node_port))
    if plan.tilt_port:
        found.append(Address("tilt", "tilt", "TILT_URL", "", f"http://localhost:{plan.tilt_port}", plan.tilt_port))
    return tuple(found)


def environment_text(
    listed: Iterable[Address], section: Section | None = None, form: Literal["dotenv", "export"] = "dotenv"
) -> str:
    """Return `NAME=value` lines: both sections under their titles (NS-24), or the lines of one section alone.

    `export` writes lines for a shell. The text ends without a newline.
    """
    known = list(listed)
    if section:
        return "\n".join(_lines(known, section, form))
    return "\n".join(line for each, title in TITLES.items() for line in [title, *_lines(known, each, form)])


def _of_service(plan: Plan, service: ServicePlan) -> Iterable[Address]:
    inside = variables(service, plan.host(service.name))
    outside = variables(service, "localhost", localhost=True)
    secret = "password" in service.entry.credentials
    port = service.primary.node_port
    return [Address(service.name, "service", key, inside[key], outside[key], port, secret) for key in inside]


def _variable(app: str, taken: Collection[str] = ()) -> str:
    """Return the name of an app's variable: a component named `database` must not hide the database."""
    word = variable_name(app)
    while f"{word}_URL" in taken:
        word += "_APP"
    return f"{word}_URL"


def _lines(listed: Sequence[Address], section: Section, form: str) -> list[str]:
    values = [(address.variable, address.value(section)) for address in listed if address.value(section)]
    if form == "export":
        return [f"export {name}={shlex.quote(value)}" for name, value in values]
    return [f"{name}={value}" for name, value in values]
