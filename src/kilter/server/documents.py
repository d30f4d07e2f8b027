"""What the store knows, as documents of the wire."""

from kilter.api.deploys import Deploy
from kilter.api.environments import Environment as EnvironmentDocument
from kilter.api.environments import LockInfo, ReleasedApp, ReleaseInfo
from kilter.api.kilterapp_status import Lock, Release
from kilter.api.projects import EnvTile
from kilter.api.words import ENDED, NOT_SERVING, Phase
from kilter.render import names
from kilter.server import access, clock
from kilter.server.settings import Settings
from kilter.server.store import deploys, environments, events
from kilter.server.store.deploys import Record
from kilter.server.store.engine import Tx
from kilter.server.store.environments import Environment
from kilter.server.store.tokens import Grant

SHORT = 12  # characters of a digest or a commit that people look at


def deploy(tx: Tx, record: Record) -> Deploy:
    """Return a deploy with its steps and its place."""
    is_deploy = record.operation == "deploy"
    return Deploy(
        deploy_id=record.id,
        org=record.slot.org,
        app=record.slot.app,
        env=record.slot.env,
        operation=record.operation,
        sequence=record.sequence,
        release=record.sequence if is_deploy else None,
        state=record.state,
        phase=phase_of(record),
        steps=events.steps(tx, record.id),
        actor=record.actor,
        image=record.spec.image if is_deploy else None,
        source=record.spec.source if is_deploy else None,
        url=record.url,
        failure=record.failure,
        superseded_by=record.superseded_by,
        queue=None if record.state in ENDED else deploys.queue(tx, record),
        created_at=clock.to_datetime(record.created_at),
        finished_at=clock.maybe(record.finished_at),
    )


def phase_of(record: Record) -> Phase:
    """Return a deploy's phase: the last one seen, or its end."""
    if record.state == "failed":
        return "Failed"
    return "Ready" if record.state == "done" and record.operation == "deploy" else record.phase


def environment(tx: Tx, found: Environment, settings: Settings) -> EnvironmentDocument:
    """Return an environment as it was last seen, with who is at work on it."""
    status, slot, domain = found.status, found.slot, settings.cluster_domain
    newest = release_info(tx, status.release, domain) if status.release else None
    return EnvironmentDocument(
        org=slot.org,
        app=slot.app,
        env=slot.env,
        env_class=found.env_class,
        phase=status.phase,
        url=status.url or None,
        internal_url=status.internal_url or None,
        namespace=status.namespace or None,
        release=newest,
        serving=serving(tx, found, domain),
        workloads=status.workloads,
        failure=status.failure,
        warnings=status.warnings,
        lock=lock(tx, found),
        database_kept_days=access.days_kept(
            settings, access.stricter(access.class_of(settings, slot.env), found.env_class)
        ),
    )


def serving(tx: Tx, found: Environment, domain: str) -> ReleaseInfo | None:
    """Return the release whose web pods are ready, proven or not; of several the newest that became Ready."""
    status, good, newest = found.status, found.status.last_good_release, found.status.release
    if status.phase == "Ready":
        return release_info(tx, newest, domain) if newest is not None else None
    if status.failure is not None and status.failure.reason == NOT_SERVING:
        return None
    if status.serving is None:  # nobody has looked, or an operator that does not tell
        is_down = good == newest and bool(status.workloads) and not status.workloads[0].ready
        return release_info(tx, good, domain) if good is not None and not is_down else None
    known = [each for each in (good, newest) if each is not None and each.deploy_id in status.serving]
    others = (record for each in status.serving if (record := deploys.find(tx, each)) is not None)
    known += [_release_of(record) for record in others if record.slot == found.slot]
    return release_info(tx, known[0], domain) if known else None


def _release_of(record: Record) -> Release:
    """Return the release of a deploy of which the status holds no record any more."""
    return Release(
        number=record.sequence,
        image=record.spec.image,
        deploy_id=record.id,
        commit=record.spec.source.commit,
    )


def release_info(tx: Tx, release: Release, domain: str) -> ReleaseInfo:
    """Return what serves as a document."""
    record = deploys.find(tx, release.deploy_id)
    return ReleaseInfo(
        number=release.number,
        image=release.image,
        deploy_id=release.deploy_id,
        commit=release.commit,
        at=release.at,
        app=released_app(record, domain) if record else None,
        dirty=record is not None and record.spec.source.dirty,
    )


def released_app(record: Record, domain: str) -> ReleasedApp:
    """Return what a deploy asked for, by name."""
    return ReleasedApp(
        hosts=names.hosts(record.slot, domain, record.spec),
        processes=tuple(record.spec.processes),
        services=tuple(each.name for each in record.spec.services),
    )


def lock(tx: Tx, found: Environment) -> LockInfo | None:
    """Return who is at work: as the operator says, else the deploy that others wait for."""
    if found.status.lock is not None:
        return lock_info(found.status.lock)
    record = deploys.at_work(tx, found.slot)
    if record is None:
        return None
    since = clock.to_datetime(record.created_at)
    return LockInfo(holder=record.id, actor=record.actor, kind=record.operation, since=since, lock_id=record.id)


def lock_info(held: Lock) -> LockInfo:
    """Return the operator's lock as a document."""
    return LockInfo(holder=held.holder, actor=held.actor, kind=held.kind, since=held.since, lock_id=held.lock_id)


def tiles(tx: Tx, grant: Grant, org: str, app: str) -> tuple[EnvTile, ...]:
    """Return the environments of a project's tile that a token is good for."""
    found = environments.of_project(tx, org, app)
    return tuple(tile(tx, each) for each in found if access.reaches(grant, each.slot))


def tile(tx: Tx, found: Environment) -> EnvTile:
    """Return one environment of a tile."""
    release, last = found.status.release, deploys.latest(tx, found.slot)
    serving = last if release and last and last.id == release.deploy_id else None
    if release and serving is None:  # a query less for most, of which a page shows many
        serving = deploys.find(tx, release.deploy_id)
    return EnvTile(
        env=found.slot.env,
        env_class=found.env_class,
        phase=found.status.phase,
        url=found.status.url or None,
        release=release.number if release else None,
        digest=release.image.rpartition("sha256:")[2][:SHORT] if release else None,
        commit=release.commit[:SHORT] if release and release.commit else None,
        actor=last.actor if last else None,
        deployed_at=release.at if release else None,
        last_result=last.state if last else None,
        warnings=found.status.warnings,
        dirty=serving is not None and serving.spec.source.dirty,
    )
