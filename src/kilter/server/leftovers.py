"""Removes from the platform's registry the images that deleted environments leave there."""

import logging
from functools import partial

from kilter.render.names import Slot
from kilter.server import clock
from kilter.server.call import Services
from kilter.server.hub import IMAGES
from kilter.server.loops import Words, work
from kilter.server.refusals import Unavailable
from kilter.server.seams import Images
from kilter.server.store import images
from kilter.server.store.images import Left

log = logging.getLogger("kilter.server")
EVERY = 60.0  # seconds between looks into the store where nobody tells: other replicas, what was postponed
AGAIN = 60 * clock.SECOND  # until what the registry did not remove is tried again
PUSHING = 600 * clock.SECOND  # from a token to push with until the deploy of what was pushed is accepted


class Spared(Exception):
    """Somebody pushes to the project, or the environment came back: its images are not due any more."""


class Remover:
    """The loop; every replica has one, and removing twice changes nothing."""

    def __init__(self, services: Services, registry: Images) -> None:
        self._services, self._registry = services, registry

    async def run(self) -> None:
        """Work until cancelled; whatever happens to one environment or to the store, go on."""
        words = Words("cannot remove images", "removing images failed", "removing images again")
        await work(self._services.hub, IMAGES, EVERY, self._step_when_heard, words)

    async def _step_when_heard(self) -> bool:
        """Remove nothing before a first list: what the cluster runs may be missing in a store that is older (F40)."""
        return self._services.pulse.heard is not None and await self.step()

    async def step(self) -> bool:
        """Remove what one environment left; tells whether there was one."""
        services = self._services
        left = await services.store.run(images.due, services.settings.registry, services.clock())
        if left is None:
            return False
        try:
            await self._remove(left)
        except Unavailable as error:
            log.warning("images stay for now", extra={"facts": {"env": str(left.slot)} | error.facts})
            await services.store.run(images.postpone, left.slot, services.clock() + AGAIN)
        except Spared:
            return True  # due again, and found again, when those who push are done
        else:
            await services.store.run(images.removed, left)
        return True

    async def _remove(self, left: Left) -> None:
        for image in left.unused:
            repository, _, digest = self._within(image)
            gone = await self._registry.remove(repository, digest, partial(self._kept, left.slot, image))
            if gone:
                facts = {"env": str(left.slot), "repository": repository, "digests": list(gone)}
                log.info("images removed", extra={"facts": facts})

    async def _kept(self, slot: Slot, image: str) -> frozenset[str] | None:
        """Return what is needed now of an image's repository, None where the image is: removing takes time.

        Raises Spared when somebody pushes.
        """
        services = self._services
        left = await services.store.run(images.still_due, services.settings.registry, slot, services.clock())
        if left is None:
            raise Spared
        if image not in left.unused:
            return None
        repository, _, _ = self._within(image)
        needed = (self._within(each) for each in left.needed)
        return frozenset(found for name, _, found in needed if name == repository)

    def _within(self, image: str) -> tuple[str, str, str]:
        return image.removeprefix(f"{self._services.settings.registry_host}/").partition("@")
