"""Orders, objects and reports for tests of the server."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from kilter.api.kilterapp import KilterApp, Metadata, Spec
from kilter.api.kilterapp_status import Release, Status
from kilter.api.words import Phase
from kilter.render.names import Slot
from kilter.server import clock
from kilter.server.store.deploys import Order

IMAGE = "registry.example.com/acme/shop@sha256:" + "a" * 64
SHOP = Slot("acme", "shop", "dev")
NOON = clock.from_datetime(datetime(2026, 6, 1, 12, tzinfo=UTC))
MINUTE = 60 * clock.SECOND


def spec(**changes: Any) -> Spec:
    fixed = {"org": "acme", "app": "shop", "env": "dev", "deployId": "-", "sequence": 1, "actor": "ann"}
    return msgspec.convert({**fixed, "image": IMAGE, "port": 8080, **changes}, Spec)


def order(slot: Slot = SHOP, **changes: Any) -> Order:
    base = Order(slot, "deploy", "ephemeral", spec(), token_id="tok", domain="apps.example.com")
    return replace(base, **changes)


def reported(name: str, slot: Slot, deploy_id: str, sequence: int, phase: Phase, **more: Any) -> KilterApp:
    """Return an object with the operator's word on a deploy."""
    status = Status(deploy_id=deploy_id, sequence=sequence, phase=phase, **more)
    if phase == "Ready":
        release = Release(number=sequence, image=IMAGE, deploy_id=deploy_id)
        status = msgspec.structs.replace(status, release=release, url=f"https://{slot.app}.example.com")
    wanted = spec(org=slot.org, app=slot.app, env=slot.env, deployId=deploy_id, sequence=sequence)
    return KilterApp(metadata=Metadata(name=name), spec=wanted, status=status)
