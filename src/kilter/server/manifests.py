"""What lies in the platform's registry, by the distribution API: manifests are removed, each with those it lists."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from kilter.server import clock
from kilter.server.refusals import Unavailable
from kilter.server.seams import Access, Kept, Registry

TIMEOUT: Final = 10.0  # seconds
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
KINDS: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class RegistryImages:
    """One registry, asked as kilter-server with tokens that it signs for itself."""

    def __init__(self, url: str, registry: Registry, now: Callable[[], int] = clock.now) -> None:
        self._client = httpx2.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False)
        self._registry, self._now = registry, now

    async def remove(self, repository: str, digest: str, kept: Kept) -> tuple[str, ...]:
        """Remove a manifest and what it alone lists; the list itself last, so that a broken try can be repeated.

        To read what others list takes time, in which one may become needed that has a part in common with this.
        """
        found = await self._manifest(repository, digest)
        if found is None:
            return ()
        _, listed = found
        needed = await kept()
        while needed is not None:
            others = await self._reachable(repository, digest, needed)
            if digest in others:
                return ()  # a part of a list that stays
            known, needed = needed, await kept()
            if needed is not None and needed <= known:
                # Asked once: of a list that stays, no part may be missing.
                wanted = [*sorted(listed - others), digest]
                return tuple([each for each in wanted if await self._delete(repository, each)])
        return ()

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.aclose()

    async def _reachable(self, repository: str, digest: str, kept: frozenset[str]) -> frozenset[str]:
        """Return what is needed of a repository without this manifest: what is kept or tagged, and what that lists."""
        reachable = set(kept)
        references = [*sorted(kept), *[tag async for tag in self._tags(repository)]]
        for reference in references:
            found = await self._manifest(repository, reference)
            if found is not None and found[0] != digest:
                reachable |= {found[0], *found[1]}
        return frozenset(reachable)

    async def _manifest(self, repository: str, reference: str) -> tuple[str, frozenset[str]] | None:
        """Return the digest of a manifest and those that it lists; None when there is none."""
        reply = await self._ask("GET", repository, f"manifests/{reference}")
        if reply is None:
            return None
        digest = reply.headers.get("docker-content-digest", reference)
        listed = document(reply).get("manifests")
        digests = (entry.get("digest") for entry in listed or () if isinstance(entry, dict))
        return digest, frozenset(each for each in digests if isinstance(each, str) and DIGEST.fullmatch(each))

    async def _tags(self, repository: str) -> AsyncIterator[str]:
        page = "tags/list"
        while page:
            reply = await self._ask("GET", repository, page)
            if reply is None:
                return
            for tag in document(reply).get("tags") or ():
                yield str(tag)
            query = urlsplit(reply.links.get("next", {}).get("url", "")).query
            page = f"tags/list?{query}" if query else ""

    async def _delete(self, repository: str, digest: str) -> bool:
        """Remove one manifest; tells whether there was one."""
        return await self._ask("DELETE", repository, f"manifests/{digest}") is not None

    async def _ask(self, method: str, repository: str, what: str) -> httpx2.Response | None:
        """Ask for something of a repository; None for what is not there. Raises Unavailable."""
        now = clock.to_datetime(self._now())
        token, _ = self._registry.token("kilter-server", (Access(repository, ("pull", "delete")),), now)
        headers = {"Authorization": f"Bearer {token}", "Accept": ", ".join(KINDS)}
        try:
            reply = await self._client.request(method, f"/v2/{repository}/{what}", headers=headers)
        except httpx2.HTTPError as error:
            raise Unavailable(f"the registry does not answer: {type(error).__name__}") from error
        if reply.status_code == 404:
            return None
        if not reply.is_success:
            raise Unavailable(f"the registry answers {reply.status_code} to {method} {what.partition('/')[0]}")
        return reply


def document(reply: httpx2.Response) -> dict[str, Any]:
    """Read an answer. Raises Unavailable for one that is no JSON object."""
    try:
        found = reply.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unavailable("the registry answers something else than JSON")
    return found
