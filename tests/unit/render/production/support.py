"""A small release and a platform; tests change what they are about."""

from typing import Any

from kilter.catalog.load import entries
from kilter.render.production.release import AppRelease, DatabaseServer, Gateway, Platform, ServiceRelease
from kilter.render.production.services import Binding, bindings
from kilter.render.production.values import values

IMAGE = "registry.example.com/acme/shop@sha256:" + "1" * 64
PLATFORM = Platform(
    domain="example.com",
    gateway=Gateway(name="kilter", namespace="kilter-gateway"),
    database=DatabaseServer(host="postgres.kilter-postgres.svc", namespace="kilter-postgres"),
)
POSTGRES = ServiceRelease(name="postgres", kind="postgres")
REDIS = ServiceRelease(name="redis", kind="redis")


def release(**changes: Any) -> AppRelease:
    """A release of acme/shop to prod."""
    env = changes.pop("env", "prod")
    given: dict[str, Any] = {
        "org": "acme",
        "app": "shop",
        "env": env,
        "env_class": {"prod": "protected", "dev": "ephemeral"}.get(env, "standard"),
        "namespace": f"acme-shop-{env}",
        "release": "dpl-1",
        "number": 1,
        "image": IMAGE,
        "port": 8080,
    }
    return AppRelease(**(given | changes))


def bound(given: AppRelease) -> tuple[Binding, ...]:
    """The release's services, without passwords."""
    return bindings(given, entries())


def valued(given: AppRelease, platform: Platform = PLATFORM) -> dict[str, Any]:
    """The chart's values."""
    return values(given, platform, bound(given))


def workload(given: AppRelease, at: int = 0, platform: Platform = PLATFORM) -> dict[str, Any]:
    """One workload of the chart's values; the first is the web process."""
    found: dict[str, Any] = valued(given, platform)["workloads"][at]
    return found
