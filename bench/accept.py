"""How long a client waits until kilter-server has accepted a deploy, when a hundred ask for one.

The server's own process with PostgreSQL in a container of its own, reached as a pod reaches it, without Docker's
proxy, and a real API server without nodes, to which each deploy is carried meanwhile; the operator is played between
the rounds, so that none waits for the one before it. Clients, server, database, etcd and API server share this
machine's cores. Each client has a connection already, asks for a project of its own, and asks once a round. `GET
/healthz` in the same pattern is what the machine, HTTP and the server's outer layers cost without any acceptance: it
reads neither token nor store.
`python -m bench.accept` measures this alone; a number behind it is that of the rounds.
"""

import asyncio
import json
import math
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from conformance import postgres
from conformance.apiserver import MISSING, ApiServer, binaries
from harness.server import RunningServer
from psycopg import sql

from bench import engine
from bench.alone import alone
from bench.measure import Goal, Row, Sample
from bench.process import Failed
from bench.run import Run
from kilter.api.crd import crd
from kilter.api.kilterapp import NAMESPACE
from kilter.operator import kinds

CLIENTS = 100
ROUNDS = 5
LIMIT = 0.150  # seconds, 95 of 100
SPREAD = 5.0  # seconds
MERGE = "merge-patch+json"
FIGURES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "max": 1.0}
PATIENCE = 120.0
HEALTH = "GET /healthz"
REGISTRY = "registry.example.com"


@dataclass(frozen=True)
class Pattern:
    """How the clients ask: over so many seconds, evenly; and whether for environments that do not exist yet."""

    name: str
    spread: float = 0.0
    first: bool = False


PATTERNS = (
    Pattern(f"{CLIENTS} clients in {SPREAD:g} s", spread=SPREAD),
    Pattern(f"{CLIENTS} clients at once"),
    Pattern(f"{CLIENTS} first deploys at once", first=True),
)


@dataclass
class Bed:
    """The server at work, its database, and the API server that it carries deploys to."""

    api: ApiServer
    server: RunningServer
    database: str
    projects: int = field(default=0)  # that were deployed so far

    def deploys(self, pattern: Pattern) -> list[float]:
        """Let every client ask for a deploy; returns the seconds of each, once the cluster has them all."""
        if pattern.first:
            self.projects += CLIENTS
        numbers = range(self.projects - CLIENTS, self.projects)
        asked = [self._deploy(number) for number in numbers]
        found = asyncio.run(together(self.server.port, asked, pattern.spread, 202))
        self.await_count(CLIENTS, "state = 'running' AND applied_at IS NOT NULL")
        return found

    def healths(self, pattern: Pattern) -> list[float]:
        """Let every client ask whether the server lives; returns the seconds of each."""
        return asyncio.run(together(self.server.port, [request("GET", "/healthz")] * CLIENTS, pattern.spread, 200))

    def settle(self) -> None:
        """Say of each deploy what the operator would say in the end, and wait until the server has heard it."""
        for item in self.api.request("GET", kinds.APP.path(NAMESPACE))["items"]:
            spec, name = item["spec"], item["metadata"]["name"]
            status = {"deployId": spec["deployId"], "sequence": spec["sequence"], "phase": "Ready"}
            if item.get("status", {}).get("sequence") != spec["sequence"]:
                self.api.request("PATCH", kinds.APP.path(NAMESPACE, name, "status"), {"status": status}, MERGE)
        self.await_count(0, "finished_at IS NULL")

    def await_count(self, wanted: int, which: LiteralString) -> None:
        """Wait until the store has so many deploys of a kind."""
        limit, query = time.monotonic() + PATIENCE, sql.SQL("SELECT count(*) FROM deploys WHERE ") + sql.SQL(which)
        with psycopg.connect(self.database, autocommit=True) as connection:
            while (row := connection.execute(query).fetchone()) != (wanted,):
                if time.monotonic() > limit:
                    raise Failed(f"after {PATIENCE:g} s {row} deploys are `{which}`, not {wanted}")
                time.sleep(0.1)

    def cpu(self) -> float:
        """Return the CPU seconds of the server so far."""
        assert self.server.process is not None
        return engine.process(self.server.process.pid).cpu

    def _deploy(self, number: int) -> bytes:
        path = f"/v1/projects/acme/app-{number}/envs/dev/deploys"
        return request("POST", path, self.server.token, deploy(number))


def deploy(number: int) -> Mapping[str, object]:
    """Return a deploy of an app with a worker and a database, as `kilter deploy` asks for it."""
    app = {
        "port": 8080,
        "vars": {"LOG_LEVEL": "info"},
        "processes": {"worker": {"command": ["work"]}},
        "services": [{"name": "postgres", "kind": "postgres"}],
    }
    return {"image": f"{REGISTRY}/acme/app-{number}@sha256:{'a' * 64}", "app": app}


def request(method: str, path: str, token: str = "", body: Mapping[str, object] | None = None) -> bytes:
    """Return a request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    head += [f"Authorization: Bearer {token}"] if token else []
    if content:
        key = f"Idempotency-Key: {secrets.token_hex(16)}"  # as `kilter deploy` sends one with each request
        head += ["Content-Type: application/json", f"Content-Length: {len(content)}", key]
    return "\r\n".join([*head, "", ""]).encode() + content


async def together(port: int, requests: Sequence[bytes], spread: float, status: int) -> list[float]:
    """Send each request over a connection of its own that is open already, all within `spread` seconds.

    Returns the seconds from the first byte sent to the last one read. The clients are bare sockets: what they cost is
    taken from the server.
    """
    open_ = [await asyncio.open_connection("127.0.0.1", port) for _ in requests]
    delays = [spread * number / len(requests) for number in range(len(requests))]
    try:
        calls = (
            ask(*streams, text, delay, status) for streams, text, delay in zip(open_, requests, delays, strict=True)
        )
        return await asyncio.gather(*calls)
    finally:
        for _, writer in open_:
            writer.close()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes, delay: float, status: int
) -> float:
    """Send one request after a delay; Failed when another status answers it."""
    await asyncio.sleep(delay)
    began = time.monotonic()
    writer.write(text)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(length(head))
    seconds = time.monotonic() - began
    if not head.startswith(f"HTTP/1.1 {status} ".encode()):
        raise Failed(f"the server answers {head.splitlines()[0].decode()}: {body.decode()[:500]}")
    return seconds


def length(head: bytes) -> int:
    """Return how many bytes follow a response's head."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise Failed("the server's answer has no Content-Length")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of all does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def rows(
    pattern: Pattern, deploys: Sequence[Sequence[float]], healths: Sequence[Sequence[float]], note: str
) -> list[Row]:
    """Return the lines of one pattern, a value per round in each; the one with the goal tells what it cost."""
    return [
        Row(
            "accept",
            f"{name}, {pattern.name}",
            sample(deploys, share),
            HEALTH,
            sample(healths, share),
            Goal(LIMIT, "value") if name == "p95" else None,
            (note,) if name == "p95" else (),
        )
        for name, share in FIGURES.items()
    ]


def sample(rounds: Sequence[Sequence[float]], share: float) -> Sample:
    """Return a percentile of every round."""
    return Sample(tuple(percentile(each, share) for each in rounds))


@contextmanager
def bed(folder: Path) -> Iterator[Bed]:
    """Start API server, PostgreSQL and kilter-server; all of them end with the block."""
    programs = binaries()
    if programs is None:
        raise Failed(MISSING)
    try:
        with ApiServer(programs) as api, postgres.server() as database:
            api.retried("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd())
            api.retried("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            api.retried("GET", kinds.APP.path(NAMESPACE))
            (folder / "dsn").write_text(database.direct)
            settings = {"STORE_DSN_FILE": str(folder / "dsn"), "KUBECONFIG": str(api.kubeconfig())}
            with RunningServer(folder, REGISTRY, more=settings).running() as server:
                yield Bed(api, server, database.operator)
    except pytest.skip.Exception as error:
        raise Failed(str(error)) from error


def compare(folder: Path, rounds: int = ROUNDS) -> Sequence[Row]:
    """Ask in both patterns, deploys and healthz in turn, after one round of each that does not count."""
    with bed(folder) as made:
        for measured in (made.deploys, made.healths):
            measured(PATTERNS[-1])
        made.settle()
        found = []
        for pattern in PATTERNS:
            deploys, healths, cpu = [], [], 0.0
            for _ in range(rounds):
                before = made.cpu()
                deploys.append(made.deploys(pattern))
                cpu += made.cpu() - before
                made.settle()
                healths.append(made.healths(pattern))
            each = cpu / rounds / CLIENTS * 1000
            note = f"{each:.1f} ms of the server's CPU for each deploy, with what carries it to the cluster"
            found += rows(pattern, deploys, healths, note)
        return found


def measure(run: Run) -> Sequence[Row]:
    """See `compare`."""
    with tempfile.TemporaryDirectory(dir=run.shop.base) as folder:
        return compare(Path(folder), run.wanted or ROUNDS)


def main(arguments: Sequence[str]) -> int:
    """Measure this alone, print the table and write the JSON; the only argument is a number of rounds."""
    return alone("accept", lambda folder: compare(folder, int(arguments[0]) if arguments else ROUNDS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
