"""The JSON documents of `kilter platform`."""

from typing import Annotated, Literal

from msgspec import Meta

from kilter.deploy.documents import Document


class PartEntry(Document, frozen=True, kw_only=True):
    """One program of the platform."""

    name: str
    image: str
    ready: int
    wanted: int
    up: bool


class GatewayEntry(Document, frozen=True, kw_only=True):
    """The Gateway, as `namespace/name`, and what keeps it from serving the platform."""

    name: str
    faults: tuple[str, ...]


class RepositoryEntry(Document, frozen=True, kw_only=True):
    """The flux repository: its address and branch, the Secret with its login, and who can use it."""

    url: str
    branch: str
    secret: str
    reachable: Annotated[bool | None, Meta(description="What Flux last found; null where it has not looked yet.")]
    fault: Annotated[str, Meta(description="In Flux' words; empty where it can fetch it.")]
    writable: Annotated[
        bool | None, Meta(description="Whether kilter-operator could open it; null where it has not said so.")
    ] = None
    hindrance: Annotated[str, Meta(description="In kilter-operator's words; empty where it could.")] = ""


class PlatformDocument(Document, frozen=True, kw_only=True):
    """What `kilter platform status --json` prints; `release` is the version of the chart, empty where none is."""

    schema: Literal["kilter.platform/v1"] = "kilter.platform/v1"
    cluster: str
    release: str
    state: str
    revision: int
    server: str
    ready: bool
    network_policy_enforced: Annotated[
        bool | None, Meta(description="What a connection tells that a policy forbids; null where none could be tried.")
    ]
    store_answers: Annotated[
        bool | None, Meta(description="Whether kilter-server reaches its database; null where it could not be asked.")
    ] = None
    gateway: GatewayEntry
    repository: RepositoryEntry
    parts: tuple[PartEntry, ...]


DOCUMENTS = {"platform": PlatformDocument}
