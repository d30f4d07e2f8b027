"""The values of the chart kilter-app: everything about one release that its templates do not know by themselves."""

from collections.abc import Mapping, Sequence

from kilter.errors import BadInput
from kilter.project.model_profile import Autoscale, ScaleUp
from kilter.render import names
from kilter.render.environment import Environment, environment
from kilter.render.production.guardrails import Guardrails, guardrails
from kilter.render.production.network import egress, origins
from kilter.render.production.probes import declared_probes, seconds, web_probes
from kilter.render.production.release import DATABASE_CA, AppRelease, Platform, check, workload_name
from kilter.render.production.services import Binding
from kilter.render.services import unexpanded

Values = dict[str, object]


def values(release: AppRelease, platform: Platform, bound: Sequence[Binding]) -> Values:
    """Return the chart's values; they hold no secret. Raises BadInput for a release that cannot be rendered."""
    check(release)
    guards = guardrails(release, trial=platform.trial)
    web = _web(release, platform, guards, bound)
    found: Values = {
        "org": release.org,
        "app": release.app,
        "env": release.env,
        "instance": release.namespace,
        "release": {"id": release.release, "number": release.number},
        "image": release.image,
        "security": {
            "uid": guards.security.uid,
            "readOnlyRoot": guards.security.read_only_root,
            "writable": list(dict.fromkeys(guards.security.writable)),
        },
        "gateway": _gateway(platform),
        "dnsNamespace": platform.dns_namespace,
        "egress": egress(release, platform, guards, bound),
        "workloads": [web, *(_process(release, platform, guards, bound, name) for name in release.processes)],
    }
    database = _database(release, bound)
    optional: Values = {
        "databaseCa": database.secret if database and platform.database and platform.database.ca else "",
        "architecture": release.architecture,
        "imagePullSecrets": list(platform.image_pull_secrets),
        "secrets": list(release.app_secrets),
        "secretsRevision": release.secrets_revision,
        "services": [
            {"name": binding.service.name, "ports": [port.container for port in binding.plan.ports]}
            for binding in bound
            if binding.by == "chart"
        ],
    }
    return found | {key: value for key, value in optional.items() if value}


def _web(release: AppRelease, platform: Platform, guards: Guardrails, bound: Sequence[Binding]) -> Values:
    command = [unexpanded(word) for word in release.command]
    found: Values = {"name": workload_name(release), "command": command, "port": release.port}
    if release.public:
        found["host"] = names.host(release.slot, platform.domain)
    found["from"] = origins(release, platform, guards, routed=release.public, web=True)
    if guards.autoscale:
        found["autoscale"] = _autoscale(guards.autoscale, platform)
    else:
        found["replicas"] = guards.replicas
    found["minAvailable"] = guards.budget(guards.fewest)
    found["probes"] = web_probes(release.profile.probes, release.port)
    found["resources"] = guards.resources(release.resources)
    return _without_nothing(found) | _variables(_environment(release, platform, guards, bound))


def _process(
    release: AppRelease, platform: Platform, guards: Guardrails, bound: Sequence[Binding], name: str
) -> Values:
    process = release.processes[name]
    found: Values = {
        "name": workload_name(release, name),
        "process": name,
        "image": process.image,
        "command": [unexpanded(word) for word in process.command],
        "port": process.port,
        "schedule": process.schedule,
    }
    if process.public:
        found["host"] = names.host(release.slot, platform.domain, name)
    if process.port:
        found["from"] = origins(release, platform, guards, routed=process.public, web=False)
    if not process.schedule:
        found["minAvailable"] = guards.budget(process.replicas)
    found["probes"] = declared_probes(process.probes, process.port)
    found["resources"] = guards.resources(release.resources, process.resources)
    counted = {"replicas": process.replicas}  # 0 is something
    owner = _environment(release, platform, guards, bound)
    inherited = {key: value for key, value in owner.literal.items() if key != "PORT"}
    port = {"PORT": str(process.port)} if process.port else {}
    own = environment(owner.injected, inherited | port, process.env)
    return _without_nothing(found) | counted | _variables(own)


def _environment(release: AppRelease, platform: Platform, guards: Guardrails, bound: Sequence[Binding]) -> Environment:
    """Return the variables of the web process; injected ones by the name of the Secret that holds them (DP-60)."""
    under = {"PORT": str(release.port), **_trust(release, platform, bound)}
    if guards.overlay.log_level:
        under[release.profile.log_level_var] = guards.overlay.log_level
    injected = {variable: binding.secret for binding in bound for variable in binding.variables}
    return environment(injected, under, release.vars)


def _trust(release: AppRelease, platform: Platform, bound: Sequence[Binding]) -> dict[str, str]:
    """Return how libpq and its likes are to speak to the database.

    These are no part of the address: that is in a Secret, which pods of older releases read too, and those lack the
    file. An app that writes the address itself may mean another server.
    """
    server, used = platform.database, _database(release, bound)
    if server is None or used is None:
        return {}
    found = {"PGSSLMODE": server.sslmode, "PGSSLROOTCERT": DATABASE_CA if server.ca else ""}
    return {key: value for key, value in found.items() if value}


def _database(release: AppRelease, bound: Sequence[Binding]) -> Binding | None:
    """Return the app's database, unless no variable of it is wanted."""
    databases = [each for each in bound if each.by == "database"]
    return next((each for each in databases if set(each.variables) - set(release.vars)), None)


def _variables(found: Environment) -> Values:
    literal = {key: unexpanded(value) for key, value in found.literal.items()}
    return _without_nothing({"variables": literal, "secretVariables": found.injected})


def _gateway(platform: Platform) -> Values:
    gateway = platform.gateway
    return _without_nothing({"name": gateway.name, "namespace": gateway.namespace, "section": gateway.section})


def _autoscale(scale: Autoscale, platform: Platform) -> Values:
    if not platform.metrics:
        raise BadInput(
            "the autoscaler has nothing to scale by: this cluster has no metrics-server",
            hint='an admin installs one; until then set `profile.autoscale: "off"`',
        )
    targets = {"cpu": scale.cpu, "memory": scale.memory}
    found: Values = {
        "min": scale.min,
        "max": scale.max,
        "targets": {resource: percent for resource, percent in targets.items() if percent != "off"},
    }
    if isinstance(scale.up, ScaleUp):
        found["up"] = {"pods": scale.up.pods, "period": seconds(scale.up.period, "profile.autoscale.up.period")}
    found["down"] = {
        "wait": seconds(scale.down.wait, "profile.autoscale.down.wait"),
        "pods": scale.down.pods,
        "period": seconds(scale.down.period, "profile.autoscale.down.period"),
    }
    return found


def _without_nothing(found: Mapping[str, object]) -> Values:
    """Leave out what is empty, so that a rendered values file shows what was decided and no more."""
    return {key: value for key, value in found.items() if value}
