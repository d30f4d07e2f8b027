"""KilterApps in a real cluster, through lightkube: server-side apply as `kilter-server`, list and watch, pod logs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.types import PatchType

from kilter.api.kilterapp import (
    API_VERSION,
    GROUP,
    KIND,
    NAMESPACE,
    PLURAL,
    SPEC_MANAGER,
    VERSION,
    KilterApp,
    Spec,
    labels,
)
from kilter.api.words import DatabasePolicy
from kilter.errors import BadInput
from kilter.server import podlogs
from kilter.server.refusals import Unavailable
from kilter.server.seams import Change, Conflict, Gone, Listed, LogQuery, Seen

log = logging.getLogger("kilter.server")
Resource = create_namespaced_resource(GROUP, VERSION, KIND, PLURAL)
REFUSALS = (400, 403, 409, 422)  # of a write: asking again would not help
WATCH_SECONDS = 300  # then the API server ends a watch
STALLED_SECONDS = WATCH_SECONDS + 30.0  # without a word: a watch may hang without an error (F30)


class KubeCluster:
    """The KilterApps of one cluster."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def apply(self, name: str, spec: Spec) -> None:
        """Write a spec by server-side apply, making the object if need be; what others own is never taken."""
        metadata = ObjectMeta(name=name, namespace=NAMESPACE, labels=labels(spec))
        wanted = Resource(apiVersion=API_VERSION, kind=KIND, metadata=metadata, spec=msgspec.to_builtins(spec))
        async with translated(writing=True):
            await self._client.apply(wanted, field_manager=SPEC_MANAGER)

    async def read(self, name: str) -> KilterApp | None:
        """Return an object."""
        with suppress(Missing):
            async with translated():
                return decoded(await self._client.get(Resource, name, namespace=NAMESPACE))
        return None

    async def delete(self, name: str, database: DatabasePolicy) -> None:
        """Ask for an object to be deleted, with what becomes of its database; one that does not exist is fine.

        The one field is patched, whoever owns the others: what somebody edited by hand must not keep an environment.
        """
        policy = {"spec": {"databaseOnDelete": database}}
        with suppress(Missing):
            async with translated():
                await self._client.patch(
                    Resource, name, policy, namespace=NAMESPACE, patch_type=PatchType.MERGE, field_manager=SPEC_MANAGER
                )
                await self._client.delete(Resource, name, namespace=NAMESPACE)

    async def watch(self) -> AsyncIterator[Change]:
        """Yield what exists and what changes, for ever; every break begins with a fresh list."""
        while True:
            items, version = await self._listed()
            names = frozenset(str(item["metadata"]["name"]) for item in items)
            apps = (app for app in map(decoded, items) if app is not None)
            yield Listed(tuple(apps), names)
            async with translated():
                events = aiter(
                    self._client.watch(
                        Resource, namespace=NAMESPACE, resource_version=version, server_timeout=WATCH_SECONDS
                    )
                )
                with suppress(TimeoutError):
                    while True:
                        async with asyncio.timeout(STALLED_SECONDS):
                            kind, item = await anext(events)
                        if change := change_of(kind, item):
                            yield change

    def logs(self, query: LogQuery) -> AsyncIterator[str]:
        """Yield lines of pods, each with its pod in front."""
        return podlogs.lines(self._client, query)

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.close()

    async def _listed(self) -> tuple[list[dict[str, Any]], str]:
        async with translated():
            response = self._client.list(Resource, namespace=NAMESPACE)
            return [dict(item) async for item in response], response.resourceVersion


def connect(kubeconfig: Path | None) -> KubeCluster:
    """Return the cluster that this pod runs in, or the one of a kubeconfig; never the user's own by accident.

    Raises BadInput.
    """
    try:
        config = KubeConfig.from_file(str(kubeconfig)) if kubeconfig else KubeConfig.from_service_account()
    except ConfigError as error:
        raise BadInput(
            "kilter-server finds no cluster",
            why=str(error),
            hint="run it in a pod, or set KILTER_SERVER_KUBECONFIG",
        ) from error
    return KubeCluster(AsyncClient(config=config, trust_env=False))


class Missing(Exception):
    """The object does not exist."""


@asynccontextmanager
async def translated(*, writing: bool = False) -> AsyncIterator[None]:
    """Turn what the client raises into the server's own words: Missing, Conflict, Unavailable."""
    try:
        yield
    except ApiError as error:
        code = error.status.code
        if code == 404 and not writing:
            raise Missing from error
        if writing and code in REFUSALS:
            raise Conflict(f"the cluster refuses it: {error.status.message}") from error
        raise Unavailable(f"the cluster answers {code}: {error.status.message}") from error
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise Unavailable(f"the cluster does not answer: {type(error).__name__}") from error


def change_of(kind: str, item: dict[str, Any]) -> Change | None:
    """Return what an event of the watch means."""
    if kind == "DELETED":
        return Gone(str(item["metadata"]["name"]))
    app = decoded(item) if kind in ("ADDED", "MODIFIED") else None
    return Seen(app) if app else None


def decoded(item: dict[str, Any]) -> KilterApp | None:
    """Read an object; one that is none of ours is left out and logged, and stops nobody else (O3)."""
    try:
        return msgspec.convert(dict(item), KilterApp)
    except msgspec.ValidationError as error:
        name = dict(item).get("metadata", {}).get("name")
        log.warning("cannot read a KilterApp", extra={"facts": {"name": name, "error": str(error)}})
        return None
