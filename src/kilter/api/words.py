"""The closed vocabularies of the platform: the same words in CLI, API, KilterApp and portal."""

from typing import Final, Literal, get_args

Phase = Literal[
    "Pending",
    "Provisioning",
    "Preflight",
    "Migrating",
    "Seeding",
    "Publishing",
    "Reconciling",
    "RollingOut",
    "Ready",
    "Failed",
    "Deleting",
]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
# From here on a deploy has done its cluster writes: Jobs ended, commit pushed, status written (DP-Q64).
WRITTEN: Final[frozenset[Phase]] = frozenset({"Reconciling", "RollingOut", "Ready", "Failed"})

ConditionType = Literal[
    "NamespaceReady",
    "DatabaseReady",
    "SecretsReady",
    "PreflightPassed",
    "Migrated",
    "Seeded",
    "Published",
    "Reconciled",
    "RouteReady",
    "Ready",
]
JobState = Literal["Pending", "Running", "Done", "Failed", "Unknown", "Skipped"]

EnvClass = Literal["protected", "standard", "ephemeral"]
Role = Literal["viewer", "deployer", "maintainer", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)  # each includes the ones before it

Operation = Literal["deploy", "delete"]
DeployState = Literal["queued", "running", "done", "failed", "superseded", "canceled"]
ENDED: Final[frozenset[DeployState]] = frozenset({"done", "failed", "superseded", "canceled"})

# Why a deploy failed after which nothing serves: its KilterApp was deleted in the cluster, or is not there.
DELETED: Final = "Deleted"
MISSING: Final = "Missing"
# Why an environment that was Ready fails: the app serves nobody any more; it serves, and a process of it does not run.
NOT_SERVING: Final = "NotServing"
NOT_RUNNING: Final = "NotRunning"

MigrationTool = Literal["drizzle", "prisma", "sql", "atlas"]
DatabasePolicy = Literal["keep", "drop"]
