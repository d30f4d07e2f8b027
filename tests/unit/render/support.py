"""A project on disk, planned and rendered with charts that print next to nothing."""

from pathlib import Path

from kilter.catalog.load import entries
from kilter.project.load import Project, load
from kilter.render.model import Plan
from kilter.render.plan import needed_credentials, needed_ports, pinned_ports, plan
from kilter.render.tree import RenderOptions, render
from kilter.values import Credentials

BASE = 30520
OPTIONS = RenderOptions(base=BASE)
DOCKERFILE = "FROM python:3.13-slim\nWORKDIR /app\nCOPY app app\nEXPOSE 8000\nCMD python -m app\n"


def project(root: Path, text: str, dockerfile: str | None = DOCKERFILE) -> Project:
    """Write a project and load it."""
    (root / "kilter.yaml").write_text(text)
    (root / "app").mkdir(exist_ok=True)
    if dockerfile:
        (root / "Dockerfile").write_text(dockerfile)
    return load(root / "kilter.yaml")


def planned(root: Path, text: str, dockerfile: str | None = DOCKERFILE) -> Plan:
    """Write a project and plan it with ports in the order of need."""
    loaded, catalog = project(root, text, dockerfile), entries()
    keys = [key for key in needed_ports(loaded, catalog) if key != "tilt"]
    ports = {key: BASE + number for number, key in enumerate(keys)} | {"tilt": BASE + 19}
    login = Credentials("ada", "s3cret", "ada")
    credentials = dict.fromkeys(needed_credentials(loaded, catalog), login)
    return plan(loaded, catalog, ports | pinned_ports(loaded, catalog), credentials)


def tree(found: Plan, options: RenderOptions = OPTIONS, **charts: str) -> dict[str, str]:
    """Render a plan; a service without a given text has an empty chart."""
    return render(found, {service.name: charts.get(service.name, "") for service in found.services}, options)
