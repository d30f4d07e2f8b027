"""Golden renders of releases: `releases/<scenario>/release.yaml` in, the files for git and the Secrets out."""

import hashlib
import json
from functools import cache
from pathlib import Path

import msgspec
import yaml

from kilter.catalog.load import entries
from kilter.render.names import database
from kilter.render.production.manifests import chart_jobs, rendered
from kilter.render.production.release import AppRelease, DatabaseServer, Gateway, Platform
from kilter.render.production.services import Binding, bindings
from kilter.render.text import dump_all
from kilter.render.tree import ChartJob
from kilter.values import Credentials

HERE = Path(__file__).parent / "releases"
SCENARIOS = tuple(sorted(file.parent.name for file in HERE.glob("*/release.yaml")))
PLATFORM = Platform(
    domain="example.com",
    gateway=Gateway(name="kilter", namespace="kilter-gateway"),
    database=DatabaseServer(host="postgres.kilter-postgres.svc", namespace="kilter-postgres"),
)


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `release.yaml`."""

    release: AppRelease
    platform: Platform = PLATFORM


@cache
def scenario(name: str) -> Scenario:
    """Read a scenario."""
    return msgspec.convert(yaml.safe_load((HERE / name / "release.yaml").read_text()), Scenario)


def bound(given: Scenario) -> tuple[Binding, ...]:
    """Bind the scenario's services, each with a login that is not one."""
    own = database(given.release.slot)
    login = Credentials(own.app, "not-a-real-password", own.name)
    return bindings(given.release, entries(), {service.name: login for service in given.release.services})


@cache
def jobs(name: str) -> list[ChartJob]:
    """Return what helm must render for a scenario."""
    given = scenario(name)
    return chart_jobs(given.release, given.platform, bound(given))


@cache
def tree(name: str) -> dict[str, str]:
    """Render a scenario from the stored output of helm: values, files for git, and the Secrets that stay out of it."""
    given = scenario(name)
    texts = {job.service: (HERE / name / "charts" / f"{job.service}.yaml").read_text() for job in jobs(name)}
    found = rendered(given.release, given.platform, bound(given), texts)
    files = {f"apps/{given.release.slot}/{file}": text for file, text in found.files.items()}
    files |= {f"values/{job.service}.yaml": job.values_text for job in jobs(name)}
    return files | ({"secrets.yaml": dump_all(found.secrets, "")} if found.secrets else {})


def inputs(name: str) -> str:
    """Return a digest of everything that helm's output follows from, so that a stale one is noticed without helm."""
    parts = []
    for job in jobs(name):
        parts += [job.service, job.release, job.namespace, job.values_text]
        files = sorted(file for file in job.chart.rglob("*") if file.is_file())
        parts += [text for file in files for text in (file.relative_to(job.chart).as_posix(), file.read_text())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest() + "\n"


def stored_inputs(name: str) -> str:
    """Return that digest as it was when helm was last run."""
    return (HERE / name / "charts" / "INPUTS").read_text()
