"""KilterApps in a real cluster, through lightkube: server-side apply as `kilter-server`, list and watch, pod logs."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.config.client_adapter import ConnectionParams
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
    applied,
    labels,
)
from kilter.api.words import EnvClass
from kilter.errors import BadInput
from kilter.server import podlogs
from kilter.server.access import stricter
from kilter.server.lines import split
from kilter.server.refusals import Unavailable
from kilter.server.seams import Alive, Change, Conflict, Gone, Listed, LogQuery, Seen
from kilter.server.store.environments import PROTECTIVE

log = logging.getLogger("kilter.server")
Resource = create_namespaced_resource(GROUP, VERSION, KIND, PLURAL)
REFUSALS = (400, 403, 413, 422)  # of a write: asking again would not help
TAKEN = 409  # by somebody else, for good where fields are applied; a patch or a delete has only met another write
GIVE_BACK = "; docs/concepts/server.md says how an administrator gives kilter-server its fields back"
# Of a write, too, though the API server answers 500: etcd has no room for it, or a list has two entries of one key.
HOPELESS = ("request is too large", "larger than max", "failed to create typed patch object")
WATCH_SECONDS = 300  # then the API server ends a watch
# Without a word: a watch may hang without an error (F30). A bookmark comes about every minute.
SILENCE = 100.0
ANSWER = 10.0  # seconds for everything else
PAUSE = 1.0  # seconds between two watches: one that ends at once is no reason to ask without end
APPS = f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}"


class KubeCluster:
    """The KilterApps of one cluster.

    What stays open, watch and logs, goes through `streams`, so that it takes no connection from who writes.
    """

    def __init__(self, client: AsyncClient, streams: httpx2.AsyncClient) -> None:
        self._client, self._streams = client, streams

    async def apply(self, name: str, spec: Spec) -> None:
        """Write a spec by server-side apply, making the object if need be; what others own is never taken."""
        metadata = ObjectMeta(name=name, namespace=NAMESPACE, labels=labels(spec))
        wanted = Resource(apiVersion=API_VERSION, kind=KIND, metadata=metadata, spec=applied(spec))
        try:
            async with translated((*REFUSALS, TAKEN)):
                await self._client.apply(wanted, field_manager=SPEC_MANAGER)
        except Missing as error:
            raise Unavailable("the cluster has no place for KilterApps") from error

    async def exists(self, name: str) -> bool:
        """Tell whether there is an object of that name now, also one that cannot be read."""
        with suppress(Missing):
            async with translated():
                await self._client.get(Resource, name, namespace=NAMESPACE)
                return True
        return False

    async def delete(self, name: str, spec: Spec) -> None:
        """Ask for an object to be deleted, with what becomes of its database; one that does not exist is fine.

        That and the class are patched, whoever owns the other fields: what somebody edited by hand must not keep an
        environment, and how long its database is kept hangs on the class, which is never lowered. Both
        writes name the object that was looked at: a replica that slept over one of them touches no later one.
        """
        with suppress(Missing):
            async with translated(REFUSALS):
                found = await self._client.get(Resource, name, namespace=NAMESPACE)
                refuse_others(found, spec)
                uid = found["metadata"]["uid"]
                said = {"databaseOnDelete": spec.database_on_delete, "class": class_of(found, spec)}
                patch = {"metadata": {"uid": uid}, "spec": said}
                await self._client.patch(
                    Resource, name, patch, namespace=NAMESPACE, patch_type=PatchType.MERGE, field_manager=SPEC_MANAGER
                )
                # Lightkube's has no preconditions.
                words = {"preconditions": {"uid": uid}}
                answer = await self._streams.request("DELETE", f"{APPS}/{name}", json=words, timeout=ANSWER)
                if answer.is_error and "json" in answer.headers.get("content-type", ""):
                    raise ApiError(request=answer.request, response=answer)
                answer.raise_for_status()

    async def watch(self) -> AsyncIterator[Change]:
        """Yield what exists and then what changes, until a watch breaks, or says nothing for too long.

        What exists is told anew every few minutes: events say nothing of what was missed when they came.
        """
        while True:
            items, version = await self._listed()
            due = time.monotonic() + WATCH_SECONDS
            names = frozenset(str(item["metadata"]["name"]) for item in items)
            apps = (app for app in map(decoded, items) if app is not None)
            yield Listed(tuple(apps), names)
            while time.monotonic() < due:
                async with aclosing(self._events(version)) as events:
                    async for kind, item in events:
                        version = str(item["metadata"]["resourceVersion"])
                        if change := change_of(kind, item):
                            yield change
                await asyncio.sleep(PAUSE)

    def logs(self, query: LogQuery) -> AsyncIterator[str]:
        """Yield lines of pods, each with its pod in front."""
        return podlogs.lines(podlogs.Api(self._client, self._streams), query)

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.close()
        await self._streams.aclose()

    async def _events(self, version: str) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """Yield what one watch tells from a version on, until the API server ends it; lightkube's has no bookmarks."""
        asked = {"watch": "true", "allowWatchBookmarks": "true"}
        asked |= {"resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        limits = httpx2.Timeout(ANSWER, read=SILENCE)
        async with translated(), self._streams.stream("GET", APPS, params=asked, timeout=limits) as answer:
            answer.raise_for_status()
            async for line, _ in split(answer.aiter_bytes()):
                event = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise Unavailable(f"the cluster answers {status.get('code')}: {status.get('message')}")
                yield event["type"], event["object"]

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
    client = AsyncClient(config=config, trust_env=False)
    # As many as there are streams; `Readers` bounds those of logs.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
    streams = httpx2.AsyncClient(**ConnectionParams(trust_env=False).httpx_params(client.config), limits=limits)
    return KubeCluster(client, streams)


def refuse_others(found: Mapping[str, Any], spec: Spec) -> None:
    """Refuse to delete what was made anew since: a later deploy's, or another environment's. Raises Conflict."""
    present = found.get("spec") or {}
    whose = [part for key in ("org", "app", "env") if isinstance(part := present.get(key), str)]
    if len(whose) == 3 and whose != [spec.org, spec.app, spec.env]:
        raise Conflict(f"the cluster has {'/'.join(whose)} under that name by now")
    later = present.get("sequence")
    if isinstance(later, int) and later > spec.sequence:
        raise Conflict(f"the cluster has deploy {later} of it, which is later than this delete ({spec.sequence})")


def class_of(found: Mapping[str, Any], spec: Spec) -> EnvClass:
    """Return the class of an environment that goes: the object's, where that protects more than the store's."""
    present = (found.get("spec") or {}).get("class")
    return stricter(spec.class_, present) if present in PROTECTIVE else spec.class_


class Missing(Exception):
    """The object does not exist."""


@asynccontextmanager
async def translated(refusals: tuple[int, ...] = ()) -> AsyncIterator[None]:
    """Turn what the client raises into the server's own words: Missing, Conflict for refusals, Unavailable."""
    try:
        yield
    except ApiError as error:
        code, message = error.status.code, error.status.message or ""
        if code == 404:
            raise Missing from error
        if code in refusals or (refusals and any(words in message for words in HOPELESS)):
            raise Conflict(f"the cluster refuses it: {message}{GIVE_BACK if code == TAKEN else ''}") from error
        raise Unavailable(f"the cluster answers {code}: {message}") from error
    except httpx2.HTTPStatusError as error:
        raise Unavailable(f"the cluster answers {error.response.status_code}") from error
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise Unavailable(f"the cluster does not answer: {type(error).__name__}") from error


def change_of(kind: str, item: dict[str, Any]) -> Change | None:
    """Return what an event of the watch means."""
    if kind == "DELETED":
        return Gone(str(item["metadata"]["name"]))
    if kind == "BOOKMARK":
        return Alive()
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
