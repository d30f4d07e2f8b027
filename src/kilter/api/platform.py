"""HTTP v1: the platform itself."""

from typing import Annotated

from msgspec import Meta

from kilter.api.base import Document


class Limits(Document, frozen=True, kw_only=True):
    """What the server accepts: bytes and seconds."""

    body_bytes: Annotated[int, Meta(description="Of a body that comes with a token; without one it has 8192.")]
    ready_timeout_seconds: int


class Info(Document, frozen=True, kw_only=True):
    """GET /v1/info: what a client must know before it builds."""

    version: str
    min_cli: str
    cluster_domain: str
    scheme: str
    default_registry: str
    sops_recipients: tuple[str, ...]
    platforms: tuple[str, ...]
    protected_envs: Annotated[
        tuple[str, ...], Meta(description="Patterns of the names of environments that are protected from the first.")
    ] = ()
    services: Annotated[
        tuple[str, ...] | None, Meta(description="Entries of the catalog that apps may have; null is not known.")
    ] = None
    service_versions: Annotated[
        dict[str, tuple[str, ...]] | None,
        Meta(description="The versions that these entries come in; null is not known."),
    ] = None
    binds_platform: Annotated[
        bool, Meta(description="Whether a deploy may say what its image is for, so that pods run on such nodes alone.")
    ] = False
    network_policy_enforced: bool | None
    limits: Limits
