"""What the schema cannot say: grammars, and faults that show only when two places are seen together."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec

from kilter.project import rules
from kilter.project.faults import Fault, visible
from kilter.project.listing import Path, fault_at
from kilter.project.model import Config, Probe, Profile, Seed
from kilter.project.model_deploy import ProcessOverride
from kilter.project.source import Source
from kilter.words import is_name, nearest, valid_spelling

SCHEMA_VERSION = 1
PORT_ON_A_CLOCK = "it runs at set times, so nobody could rely on its port"

Found = Iterator[tuple[Path, str]]

# Which rule holds for which text; a rule of a list holds for each of its items.
TEXTS: Mapping[str, rules.Rule] = (
    {
        "Config.name": rules.name,
        "Config.app": rules.app,
        "Config.allow_from": rules.app,
        "Config.sops_recipient": rules.recipient,
        "Service.type": rules.name,
        "Service.version": rules.version,
        "Service.storage": rules.size,
        "Resources.cpu": rules.quantity,
        "Resources.memory": rules.size,
        "Component.path": rules.relative,
        "Process.schedule": rules.schedule,
        "ProcessOverride.schedule": rules.schedule,
        "Seed.file": rules.relative,
        "Seed.envs": rules.pattern,
        "Seed.timeout": rules.duration,
        "Migration.path": rules.relative,
        "Migration.timeout": rules.duration,
        "Patch.path": rules.relative,
        "Deploy.registry": rules.registry,
        "Deploy.promotion": rules.pattern,
        "Probe.path": rules.url_path,
        "Probe.interval": rules.up_to("1h"),
        "Probe.timeout": rules.up_to("1h"),
        "Security.writable": rules.absolute,
        "ScaleUp.period": rules.up_to("30m"),
        "ScaleDown.period": rules.up_to("30m"),
        "ScaleDown.wait": rules.up_to("1h"),
        "Monitoring.namespace": rules.label,
        "Overlay.name_prefix": rules.label,
        "Profile.log_level_var": rules.variable,
    }
    | {
        f"{owner}.image": rules.image
        for owner in ("Config", "Cluster", "Service", "Component", "Process", "ProcessOverride", "Migration")
    }
    | {f"{owner}.app_secrets": rules.secret for owner in ("Config", "Environment")}
)

# Which rule holds for the keys of which map.
KEYS: dict[str, rules.Rule] = {
    "Config.services": rules.name,
    "Config.components": rules.name,
    "Config.processes": rules.name,
    "Config.environments": rules.pattern,
    "Config.secrets": rules.secret,
    "Environment.secrets": rules.secret,
    "Deploy.build_args": rules.variable,
    "Profile.envs": rules.pattern,
}


def check(config: Config, source: Source, directory_name: str, catalog: Collection[str] = ()) -> list[Fault]:
    """Return the faults of a configuration that fits the schema, each with its place in `source`.

    With the names of all entries of the `catalog`, services of another type are faults too.
    """
    found = [*_values(config, ())]
    for look in (_version, _names, _host_ports, _components, _processes, _seeds, _environments, _forms):
        found += look(config)
    faults = [fault_at(source, path, message, at_key=_is_about_key(path, message)) for path, message in found]
    if config.name is None and not is_name(directory_name.lower()):
        proposed = valid_spelling(directory_name)
        message = f"the directory's name '{visible(directory_name)}' is no valid project name; add `name: {proposed}`"
        faults.append(Fault(source.label, 1, 1, "name", message))
    faults += unknown_services(config, source, catalog) if catalog else []
    return faults + [fault_at(source, ("services", name), message, at_key=True) for name, message in _entries(source)]


def unknown_services(config: Config, source: Source, catalog: Collection[str]) -> list[Fault]:
    """Return a fault for each service whose type is none of the catalog's entries."""
    faults = []
    for name, service in config.services.items():
        kind = service.type or name
        if kind in catalog:
            continue
        near = nearest(kind, catalog)
        hint = f" (did you mean '{near}'?)" if near else ""
        own = "" if near or service.type else f"; for a name of your own write `{visible(name)}: {{type: <service>}}`"
        message = f"the catalog has no service '{visible(kind)}'{hint}; it has {', '.join(sorted(catalog))}{own}"
        path = ("services", name, "type") if service.type else ("services", name)
        faults.append(fault_at(source, path, message, at_key=not service.type))
    return faults


def _is_about_key(path: Path, message: str) -> bool:
    return bool(path) and message.startswith(f"'{visible(str(path[-1]))}'")


def _values(value: Any, path: Path) -> Found:
    """Walk the model and hold every text against its rule."""
    if not isinstance(value, msgspec.Struct):
        return
    owner = type(value).__name__
    for field, key in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
        content, place, name = getattr(value, field), (*path, key), f"{owner}.{field}"
        if isinstance(content, str) and name in TEXTS:
            yield from _told(place, TEXTS[name](content))
        elif isinstance(content, tuple):
            yield from _items(content, place, TEXTS.get(name))
        elif isinstance(content, dict):
            yield from _map(content, place, name)
        else:
            yield from _values(content, place)


def _items(items: tuple[Any, ...], path: Path, rule: Callable[[str], str] | None) -> Found:
    for at, item in enumerate(items):
        if isinstance(item, str) and rule:
            yield from _told((*path, at), rule(item))
        yield from _values(item, (*path, at))


def _map(content: dict[str, Any], path: Path, name: str) -> Found:
    if name.endswith(".env"):
        for key, wrong in rules.variables(content):
            yield (*path, key), wrong
    for key, item in content.items():
        if name in KEYS:
            yield from _told((*path, key), KEYS[name](key))
        if name.endswith(".secrets"):
            yield from _told((*path, key), rules.relative(item))
        yield from _values(item, (*path, key))


def _told(path: Path, wrong: str) -> Found:
    if wrong:
        yield path, wrong


def _version(config: Config) -> Found:
    if config.version > SCHEMA_VERSION:
        yield (
            ("version",),
            f"this file needs a kilter that reads version {config.version}; this one reads {SCHEMA_VERSION}, update it",
        )


def _names(config: Config) -> Found:
    """Services, components and processes share one space of names: each becomes an object of that name."""
    seen: dict[str, str] = {}
    for kind in ("services", "components", "processes"):
        for name in getattr(config, kind):
            if name in seen:
                yield (kind, name), f"the name '{visible(name)}' is taken already, in `{seen[name]}`"
            seen.setdefault(name, kind)
    for name in sorted(config.withheld):
        yield from _told(("services", name), rules.name(name))


def _host_ports(config: Config) -> Found:
    asked: list[tuple[Path, int | None]] = [
        (("services", name, "hostPort"), service.host_port) for name, service in config.services.items()
    ]
    if config.cluster:
        asked += [(("cluster", "httpPort"), config.cluster.http_port)]
        asked += [(("cluster", "httpsPort"), config.cluster.https_port)]
    holders: dict[int, Path] = {}
    for path, port in asked:
        if port is not None and port in holders:
            yield path, f"{port} is used twice, first by {'.'.join(map(str, holders[port]))}"
        elif port is not None:
            holders[port] = path


def _components(config: Config) -> Found:
    primary = [name for name, component in config.components.items() if component.primary]
    for name in primary[1:]:
        yield ("components", name, "primary"), f"only one component may be primary, and '{primary[0]}' is already"
    for name, component in config.components.items():
        if component.image is not None and component.dockerfile is not None:
            yield (
                ("components", name, "dockerfile"),
                "`image` and `dockerfile` exclude each other; leave one of them out",
            )
        if component.dockerfile is not None:
            folder = "." if rules.relative(component.path) else component.path
            yield from _told(("components", name, "dockerfile"), rules.relative(component.dockerfile, folder))
    for key, given in (("image", config.image), ("port", config.port), ("env", config.env or None)):
        if config.components and given is not None:
            yield (key,), f"`{key}` at the top level is for a project with one app; put it under `components.<name>`"


def _processes(config: Config) -> Found:
    """A process with a port and a schedule, by itself or by what an environment makes of it."""
    for name, process in config.processes.items():
        if process.port and process.schedule:
            yield ("processes", name, "port"), PORT_ON_A_CLOCK
            continue
        for pattern, environment in config.environments.items():
            over = environment.processes.get(name, ProcessOverride())
            port = process.port if over.port is None else over.port
            if port and (process.schedule if over.schedule is None else over.schedule):
                yield ("environments", pattern, "processes", name), PORT_ON_A_CLOCK


def _seeds(config: Config) -> Found:
    yield from _seed_list(config.seed, ("seed",))
    for pattern, environment in config.environments.items():
        entries = tuple(Seed(file=entry) if isinstance(entry, str) else entry for entry in environment.seed or ())
        yield from _seed_list(entries, ("environments", pattern, "seed"))


def _seed_list(seeds: tuple[Seed, ...], path: Path) -> Found:
    seen: set[str] = set()
    for at, seed in enumerate(seeds):
        if (seed.command is None) == (seed.file is None):
            yield (*path, at), "a seed has exactly one of `command` and `file`"
        if seed.file is None and seed.name is None:
            yield (*path, at), "a seed with a command needs a `name`"
        name = seed.name or (seed.file or "").rpartition("/")[2].partition(".")[0]
        if name in seen:
            yield (*path, at), f"two seeds are named '{visible(name)}'; give one of them another `name`"
        if name:
            seen.add(name)


def _environments(config: Config) -> Found:
    for pattern, environment in config.environments.items():
        for name in environment.processes:
            if name not in config.processes:
                yield ("environments", pattern, "processes", name), f"there is no process '{visible(name)}' to change"
        for at, entry in enumerate(environment.seed or ()):
            if isinstance(entry, str):
                yield from _told(("environments", pattern, "seed", at), rules.relative(entry))


def _forms(config: Config) -> Found:
    """Maps of which one key decides what the others must be."""
    yield from profile_forms(config.profile, ("profile",))
    for name, process in config.processes.items():
        yield from _probe_forms(process.probes, ("processes", name, "probes"))
    for at, patch in enumerate(config.deploy.patches if config.deploy else ()):
        if (patch.patch is None) == (patch.path is None):
            yield ("deploy", "patches", at), "a patch has exactly one of `patch` and `path`"


def profile_forms(profile: Profile, path: Path) -> Found:
    """Yield what is wrong with a whole profile that fits the schema: the place, which begins with `path`, and what."""
    yield from _probe_forms(profile.probes, (*path, "probes"))
    scale = profile.autoscale
    if isinstance(scale, msgspec.Struct) and scale.min is not None and scale.min > scale.max:
        yield (*path, "autoscale", "min"), f"min is {scale.min}, above max, which is {scale.max}"


def _probe_forms(group: object, path: Path) -> Found:
    for kind in ("liveness", "readiness", "startup") if isinstance(group, msgspec.Struct) else ():
        probe = getattr(group, kind)
        if not isinstance(probe, Probe) or probe.type == "off":
            continue
        if (probe.type == "exec") != (probe.command is not None):
            yield (*path, kind), "`command` belongs to a check of type exec, and such a check needs it"


def _entries(source: Source) -> Iterator[tuple[str, str]]:
    """Look at the short forms of `services`, which the model no longer shows."""
    node = source.root.find(("services",))[1] if source.root else None
    if node is None or node is source.root:
        return
    for key, value in node.entries():
        if value.value is True:
            yield str(key.value), "true says nothing here: leave the entry empty for the defaults"
    listed = Counter(item.value for item in node.items or ())
    for name in (name for name, times in listed.items() if times > 1):
        yield str(name), f"the service '{visible(str(name))}' is listed twice"
