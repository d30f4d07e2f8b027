"""What a project costs while nobody uses it, compared with an idle bare cluster over the same time."""

import time
from collections.abc import Mapping, Sequence

from bench import bare, engine, shop
from bench.engine import Usage
from bench.measure import Goal, Row, Sample, Unit
from bench.run import Run

ROUNDS = 3
SECONDS = 60.0
SETTLING = 30.0  # seconds after both are up
SHARED = ("kilter-registry", "kilter-cache-docker.io")
BARE = "bare kind cluster"


def measure(run: Run) -> Sequence[Row]:
    """Look at both clusters over the same minutes."""
    run.shop.ensure_up()
    try:
        run.bare.create()
        time.sleep(SETTLING)
        looks = [look(run) for _ in run.rounds(ROUNDS)]
    finally:
        run.bare.delete()
    return rows(looks)


def look(run: Run) -> dict[str, float]:
    """Return the figures of one minute by name."""
    before = counters(run)
    time.sleep(SECONDS)
    after = counters(run)
    found = {f"{name} cpu": after[name].cpu - before[name].cpu for name in after}
    found |= {f"{name} memory": used.memory for name, used in after.items()}
    running = engine.processes(run.shop.environment)
    folders = [run.shop.binary.parent, run.shop.home]
    found["own"] = len(engine.own_processes(running, folders, [run.shop.tilt_pid()]))
    for name, node in (("kilter", shop.NODE), ("bare", bare.NODE)):
        ports = published(run.shop.docker("port", node))
        proxies = [each for each in running if "docker-proxy" in each.command and proxied(each.command) in ports]
        found |= {f"{name} proxies": len(proxies), f"{name} proxies memory": sum(each.memory for each in proxies)}
    run.say("idle: " + ", ".join(f"{name} {value:.2f}" for name, value in found.items()))
    return found


def counters(run: Run) -> dict[str, Usage]:
    """Return the counters of both nodes, of the shared containers together, and of Tilt."""
    env = run.shop.environment
    shared = [engine.container(name, env) for name in SHARED]
    return {
        "kilter": engine.container(shop.NODE, env),
        "bare": engine.container(bare.NODE, env),
        "shared": Usage(sum(each.cpu for each in shared), sum(each.memory for each in shared)),
        "tilt": engine.process(run.shop.tilt_pid()),
    }


def rows(looks: Sequence[Mapping[str, float]]) -> list[Row]:
    """Put the figures of all minutes into rows."""

    def sample(name: str, unit: Unit) -> Sample:
        return Sample(tuple(found[name] for found in looks), unit)

    def compared(what: str, name: str, unit: Unit, *notes: str) -> Row:
        return Row("idle", what, sample(f"kilter {name}", unit), BARE, sample(f"bare {name}", unit), notes=notes)

    runs = "the node of the project runs PostgreSQL, Redis, web and worker as well, two of them under a reloader"
    shared = "the registry and the cache of all projects together; the kernel's cache of files in use counts too"
    proxies = "Docker's own, one per mapped port and address; resident sets, shared pages counted for each"
    return [
        Row("idle", "processes of kilter's own", sample("own", "count"), goal=Goal(0, "value")),
        compared("node, memory", "memory", "MiB", runs),
        compared(f"node, CPU in {SECONDS:g} s", "cpu", "cpu s"),
        Row("idle", "Tilt, memory", sample("tilt memory", "MiB")),
        Row("idle", f"Tilt, CPU in {SECONDS:g} s", sample("tilt cpu", "cpu s")),
        Row("idle", "shared containers, memory", sample("shared memory", "MiB"), notes=(shared,)),
        Row("idle", f"shared containers, CPU in {SECONDS:g} s", sample("shared cpu", "cpu s")),
        compared("docker-proxy processes", "proxies", "count", proxies),
        compared("docker-proxy, memory", "proxies memory", "MiB"),
    ]


def published(text: str) -> set[str]:
    """Read the host ports out of what `docker port` printed."""
    return {line.rpartition(":")[2] for line in text.splitlines() if "->" in line}


def proxied(command: str) -> str:
    """Return the host port of a docker-proxy's command line."""
    words = command.split()
    return words[words.index("-host-port") + 1] if "-host-port" in words else ""
