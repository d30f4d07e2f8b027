"""What a release is rendered from: a KilterApp's spec as the charts' release, the settings as their platform."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from kilter.api.kilterapp import Spec
from kilter.catalog import load as catalog
from kilter.errors import BadInput, Failed
from kilter.gitops.layout import split
from kilter.operator.kinds import Object
from kilter.operator.settings import Settings
from kilter.operator.steps.database import KIND as DATABASE
from kilter.operator.steps.publish import Rendered
from kilter.operator.world import Observed
from kilter.proc import Runner, failure
from kilter.render import names
from kilter.render.names import MANAGED_BY, OPERATOR
from kilter.render.production import manifests
from kilter.render.production.guardrails import guardrails
from kilter.render.production.release import AppRelease, DatabaseServer, Gateway, Platform
from kilter.render.production.services import bindings
from kilter.render.production.spec import release_of
from kilter.render.tree import ChartJob
from kilter.tools import helm
from kilter.values import Credentials

Render = Callable[[ChartJob], str]
SIGNALS: Final = range(-64, 0)  # exit codes of a process that one of them ended


@dataclass(frozen=True)
class Helm:
    """Renders charts by a helm binary; its own files go below `scratch`."""

    runner: Runner
    binary: Path
    scratch: Path

    def __call__(self, job: ChartJob) -> str:
        """Return what the chart renders.

        Raises BadInput with helm's words when it refuses its values, Failed when somebody ended it.
        """
        command = helm.template(
            self.binary, job.release, job.chart, namespace=job.namespace, values=job.values_text, scratch=self.scratch
        )
        outcome = self.runner.run(replace(command, ok=(0, *SIGNALS)))
        if outcome.code:  # for the memory that it took, say: that is no word on the values, and another try may do
            raise failure(replace(command, error=Failed), outcome)
        return outcome.stdout


@dataclass(frozen=True)
class Renderer:
    """Turns a spec into the release's files and Secrets; `render` does one chart."""

    render: Render

    def __call__(self, spec: Spec, observed: Observed) -> Rendered:
        """Return the release; the same arguments give the same bytes. Raises BadInput for what cannot be rendered."""
        release, platform = release_of(spec, observed.namespace), platform_of(observed.settings)
        bound = bindings(release, catalog.entries(), credentials(release, observed.passwords))
        texts = {job.service: self.render(job) for job in manifests.chart_jobs(release, platform, bound)}
        try:
            found = manifests.rendered(release, platform, bound, texts)
        except Failed as error:  # an object that no release may have: another try would only repeat it
            raise BadInput(error.what, why=error.why, hint=error.hint, details=error.details) from None
        # The database's Secret is the database step's own: it holds more, and the password is made true there.
        own = tuple(_own(secret) for secret in found.secrets if secret["metadata"]["name"] != _database(spec))
        return Rendered(files(found.files), own)


def files(rendered: Mapping[str, str]) -> dict[str, str]:
    """Return one file per object, as they lie in Git; the release's own heads are left out for Git's."""
    text = "---\n".join(each.removeprefix(manifests.HEADER) for _, each in sorted(rendered.items()))
    return split(text)


def fewest(spec: Spec, settings: Settings) -> int:
    """Return how many pods of the app its autoscaler keeps at least; 0 where it has none. Raises BadInput."""
    guards = guardrails(release_of(spec, ""), trial=settings.trial)
    return guards.fewest if guards.autoscale else 0


def platform_of(settings: Settings) -> Platform:
    """Return the platform as the charts need to know it."""
    own, gateway = settings.database, settings.gateway
    server = DatabaseServer(
        host=own.host,
        port=own.port,
        namespace=own.namespace,
        cidr=own.cidr,
        sslmode=own.sslmode,
        ca=bool(own.ca),
    )
    return Platform(
        domain=settings.domain,
        gateway=Gateway(
            name=gateway.name, namespace=gateway.namespace, section=gateway.section, proxies=gateway.proxies
        ),
        tls=settings.tls,
        port=settings.public_port,
        database=server if own.host else None,
        dns_namespace=settings.dns_namespace,
        metrics=settings.metrics_server,
        trial=settings.trial,
        image_pull_secrets=(names.PULL_SECRET,) if settings.pulls_with_login else (),
    )


def credentials(release: AppRelease, passwords: Mapping[str, str]) -> dict[str, Credentials]:
    """Return the login of each service that has a password."""
    own, user = names.database(release.slot), release.app.replace("-", "_")
    kinds = {service.name: service.kind for service in release.services}
    return {
        name: Credentials(own.app, password, own.name)
        if kinds.get(name) == DATABASE
        else Credentials(user, password, user)
        for name, password in passwords.items()
    }


LISTED: Final = ("data", "stringData")


def _own(secret: Object) -> Object:
    """Return a Secret as the operator applies it.

    Its label says whose it is. Its values are data: what is written as `stringData` is nobody's in the eyes of the API
    server, so that a key which is no longer wanted would stay.
    """
    metadata = {**secret["metadata"], "labels": {**secret["metadata"]["labels"], MANAGED_BY: OPERATOR}}
    data = dict(secret.get("data") or {})
    data |= {key: base64.b64encode(value.encode()).decode() for key, value in (secret.get("stringData") or {}).items()}
    rest = {key: value for key, value in secret.items() if key not in LISTED}
    return {**rest, "metadata": metadata, "data": dict(sorted(data.items()))}


def _database(spec: Spec) -> str:
    return names.database_secret(spec.app)
