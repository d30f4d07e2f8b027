"""A platform as it may look after some weeks: put into the store by its own functions, at moments of the past."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from unit.server.orders import order, reported, spec

from kilter.api.kilterapp_status import Condition, Failure, Release, Workload
from kilter.api.words import Phase
from kilter.render.names import Slot, host, object_names
from kilter.server import access, clock
from kilter.server.settings import Settings
from kilter.server.store import deploys, progress
from kilter.server.store.engine import Tx

DOMAIN = "apps.example.com"
HOUR = 3600 * clock.SECOND
WAY: tuple[tuple[Phase, float], ...] = (
    ("Provisioning", 3.1),
    ("Publishing", 1.4),
    ("Reconciling", 6.2),
    ("RollingOut", 14.8),
)


@dataclass(frozen=True)
class Past:
    """A deploy that has come to its end."""

    slot: Slot
    hours_ago: float
    actor: str = "ann"
    commit: str = "4be1c0ffee1234567890abcdef1234567890abcd"
    pace: float = 1.0
    failure: Failure | None = None
    more: dict[str, Any] = field(default_factory=dict)


def record(tx: Tx, past: Past, now: int) -> str:
    """Put a deploy into the store as the server would have; returns its id."""
    slot, at = past.slot, now - int(past.hours_ago * HOUR)
    image = f"registry.example.com/{slot.org}/{slot.app}@sha256:{(past.commit * 2)[:64]}"
    wanted = spec(
        org=slot.org, app=slot.app, env=slot.env, actor=past.actor, image=image, source={"commit": past.commit}
    )
    env_class = access.class_of(Settings(cluster_domain=DOMAIN), slot.env)
    found = deploys.accept(tx, order(slot, spec=wanted, env_class=env_class, domain=DOMAIN), at).record
    progress.claim(tx, at)
    progress.applied(tx, found.id, at)
    for phase, seconds in WAY:
        at += int(seconds * past.pace * clock.SECOND)
        say(tx, found, phase, at)
        if past.failure and past.failure.phase == phase:
            say(tx, found, "Failed", at + 61 * clock.SECOND, failure=past.failure, **past.more)
            return found.id
    at += int(2 * past.pace * clock.SECOND)
    release = Release(
        number=found.sequence, image=image, deploy_id=found.id, commit=past.commit, at=clock.to_datetime(at)
    )
    say(tx, found, "Ready", at, release=release, **past.more)
    return found.id


def say(tx: Tx, found: deploys.Record, phase: Phase, at: int, **more: Any) -> None:
    """Record what the operator says of a deploy."""
    slot = found.slot
    name = object_names(slot)[0]
    app = reported(name, slot, found.id, found.sequence, phase)
    fixed = {
        "namespace": f"{slot.org}-{slot.app}-{slot.env}",
        "url": f"https://{host(slot, DOMAIN)}" if "release" in more else "",
        "internal_url": f"http://{slot.app}.{slot.org}-{slot.app}-{slot.env}.svc:8080",
        "workloads": (Workload(name=slot.app, desired=2, ready=2 if phase == "Ready" else 1, restarts=0),),
        "release": None,
    }
    app = msgspec.structs.replace(app, status=msgspec.structs.replace(app.status, **(fixed | more)))
    progress.observe(tx, app, DOMAIN, at)


def condition(message: str) -> Condition:
    """Return what the operator is waiting for."""
    return Condition(
        type="Ready", status="False", reason="Waiting", message=message, last_transition_time=clock.to_datetime(0)
    )


CRASH = Failure(
    phase="RollingOut",
    reason="CrashLoopBackOff",
    message="the container of pod/blog-7c9 ends with exit code 1 right after its start",
    object="Deployment blog",
    log_tail=(
        "Traceback (most recent call last):",
        '  File "/app/main.py", line 12, in <module>',
        "KeyError: 'MAIL_HOST'",
    ),
)
SKIPPED = ("the migration check was skipped by ann for release 9",)


def furnish(tx: Tx, now: int) -> dict[str, str]:
    """Make a platform of several projects; returns the ids of some deploys."""
    shop = {env: Slot("acme", "shop", env) for env in ("prod", "staging", "dev")}
    blog = Slot("acme", "blog", "prod")
    found = {}
    for number in range(8):
        record(tx, Past(shop["dev"], 50 - 6 * number, "ann" if number % 3 else "bob", pace=0.7 + 0.06 * number), now)
    for number in range(4):
        record(tx, Past(shop["staging"], 48 - 11 * number, "ci", pace=1.1 - 0.05 * number), now)
    for number in range(3):
        past = Past(shop["prod"], 40 - 13 * number, "carol", pace=1.5 - 0.1 * number, more={"warnings": SKIPPED})
        found["shop"] = record(tx, past, now)
    record(tx, Past(blog, 30, "bob"), now)
    found["blog"] = record(tx, Past(blog, 2, "bob", commit="be11ab1e" * 5, failure=CRASH), now)
    record(tx, Past(Slot("acme", "mailer", "dev"), 5, "ann"), now)
    record(tx, Past(Slot("acme", "a-project-with-a-rather-long-name", "pr-1024"), 1, "dependabot"), now)
    record(tx, Past(Slot("globex", "secret-plan", "prod"), 3, "mallory"), now)
    return found
