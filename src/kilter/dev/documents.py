"""The JSON documents of the reading commands: a written, versioned contract (decision 10 of the specification).

The schemas in docs/reference/json/ are generated from these structs, and tests validate real output against them.
"""

from typing import Literal

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that is printed as JSON."""


class ProjectRow(Document, frozen=True, kw_only=True):
    """One project of the machine; only while its cluster runs: `cpu` in cores during this look, `memory` in bytes.

    `at_work` is the verb that holds its lock right now.
    """

    name: str
    state: Literal["up", "down", "stopped", "gone"]
    ports: tuple[int, int]
    cpu: float | None = None
    memory: int | None = None
    at_work: str | None = None
    directory: str
    last_used: str | None = None


class SharedRow(Document, frozen=True, kw_only=True):
    """A container that all projects share: the image registry, a pull-through cache."""

    name: str
    state: str


class PsDocument(Document, frozen=True, kw_only=True):
    """What `kilter ps --json` prints."""

    schema: Literal["kilter.ps/v1"] = "kilter.ps/v1"
    projects: list[ProjectRow]
    shared: list[SharedRow] = []


class PodRow(Document, frozen=True, kw_only=True):
    """One pod: `age` in seconds."""

    name: str
    ready: bool
    restarts: int
    age: float
    phase: str


class WorkloadRow(Document, frozen=True, kw_only=True):
    """One service, component or process with its addresses and pods.

    `reason` says what it waits for, or, of a ready one, that it answers with a server's error (HTTP 5xx).
    """

    name: str
    kind: Literal["service", "component", "process"]
    ready: bool
    reason: str
    in_cluster: str | None = None
    localhost: str | None = None
    pods: list[PodRow] = []


class StatusDocument(Document, frozen=True, kw_only=True):
    """What `kilter status --json` prints."""

    schema: Literal["kilter.status/v1"] = "kilter.status/v1"
    project: str
    environment: Literal["local"] = "local"
    state: Literal["up", "down", "stopped", "absent"]
    ready: bool
    cluster: str
    node_image: str | None = None
    tilt: str | None = None
    notes: list[str] = []
    workloads: list[WorkloadRow] = []


class VariableRow(Document, frozen=True, kw_only=True):
    """One variable with its value inside the cluster and on this machine."""

    name: str
    service: str
    in_cluster: str | None = None
    localhost: str | None = None


class EnvDocument(Document, frozen=True, kw_only=True):
    """What `kilter env --json` prints. The values hold the passwords, as the text form does."""

    schema: Literal["kilter.env/v1"] = "kilter.env/v1"
    project: str
    environment: Literal["local"] = "local"
    variables: list[VariableRow]


class Check(Document, frozen=True, kw_only=True):
    """One check of `kilter doctor`: what was found, and what mends it."""

    id: str
    category: Literal["engine", "tools", "machine", "records", "project", "platform"]
    status: Literal["pass", "warning", "fail"]
    message: str
    fix: str = ""


class DoctorDocument(Document, frozen=True, kw_only=True):
    """What `kilter doctor --json` prints."""

    schema: Literal["kilter.doctor/v1"] = "kilter.doctor/v1"
    ok: bool
    checks: list[Check]


class VersionDocument(Document, frozen=True, kw_only=True):
    """What `kilter version --json` prints: the versions of kilter, of Kubernetes, and of the tools that kilter pins."""

    schema: Literal["kilter.version/v1"] = "kilter.version/v1"
    kilter: str
    kubernetes: str
    tools: dict[str, str]


DOCUMENTS: dict[str, type[Document]] = {
    "doctor": DoctorDocument,
    "env": EnvDocument,
    "ps": PsDocument,
    "status": StatusDocument,
    "version": VersionDocument,
}
