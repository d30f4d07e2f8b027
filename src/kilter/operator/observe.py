"""What each step looks at: from the watches wherever they know, asked for only where nothing else can tell."""

import secrets as randomness
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from kilter.catalog import load as catalog
from kilter.errors import BadInput, KilterError, in_one_line
from kilter.operator import kinds, releases
from kilter.operator.elders import elder
from kilter.operator.kinds import Kind, Object
from kilter.operator.kube import Missing
from kilter.operator.status import report
from kilter.operator.steps import base, cleanup, database, flux, hpa, namespace, publish, rollout, route, services
from kilter.operator.steps.base import Target
from kilter.operator.steps.publish import Rendered
from kilter.operator.world import Observed, World
from kilter.render import names


def of_namespace(world: World, target: Target) -> namespace.Facts:
    """Look at the namespace and what the operator keeps in it; one it does not know may be somebody else's."""
    stores, name, where = world.stores, target.name, target.settings.flux.namespace
    return namespace.Facts(
        namespace=stores.namespaces.get("", name) or world.kube.get(kinds.NAMESPACE, "", name),
        quota=stores.quotas.get(name, namespace.QUOTA),
        policy=stores.policies.get(name, namespace.DENY),
        account=stores.accounts.get(where, name) or world.kube.get(kinds.SERVICE_ACCOUNT, where, name),
        binding=stores.bindings.get(name, namespace.APPLIER),
        pull=stores.secrets.get(name, names.PULL_SECRET),
    )


def of_database(world: World, target: Target) -> database.Facts:
    """Look at roles, database and Secret, and try the login; what was in order lately is believed."""
    if database.declared(target) is None:
        return database.Facts()
    if world.databases is None:
        return database.Facts(configured=False)
    own, name = names.database(target.slot), names.database_secret(target.app.spec.app)
    circumstances = _circumstances(world, target, name)
    if circumstances and world.verified.holds(target.name, circumstances):
        return database.Facts(verified=True)
    secret = world.kube.get(kinds.SECRET, target.name, name)
    there = world.databases.snapshot((own.owner, own.app), (own.name,), (own.owner, own.app))
    login, found = there.roles.get(own.app), there.databases.get(own.name)
    password, works = database.password_of(secret), False
    if password and login is not None and login.can_login and found is not None:
        works = world.databases.can_log_in(own.app, password, own.name)
    return database.Facts(
        owner=there.roles.get(own.owner),
        login=login,
        is_member=there.is_member,
        database=found,
        secret=secret,
        login_works=works,
        fresh_password=randomness.token_urlsafe(32),
    )


def verified_database(world: World, target: Target) -> None:
    """Remember that the database is as it should be, until its Secret or the spec changes.

    What is remembered is not verified anew by that, or it would be believed for ever where looks come often.
    """
    circumstances = _circumstances(world, target, names.database_secret(target.app.spec.app))
    if circumstances and not world.verified.holds(target.name, circumstances):
        world.verified.note(target.name, circumstances)


def of_passwords(world: World, target: Target) -> services.Passwords:
    """Look at the passwords of the services beside the app."""
    credentials = world.kube.get(kinds.SECRET, target.name, services.CREDENTIALS) if services.beside(target) else None
    missing = [name for name in services.beside(target) if name not in services.passwords(credentials)]
    fresh = {name: _in_use(world, target, name) or randomness.token_urlsafe(24) for name in missing}
    return services.Passwords(credentials, fresh)


def of_services(world: World, target: Target) -> services.Provided:
    """Look at the catalog and at the Secrets that the app counts on."""
    spec = target.app.spec
    wanted = {*spec.app_secrets, *(each.secret_name for each in spec.services if each.secret_name)}
    there = frozenset(name for name in wanted if _exists(world, target.name, name))
    return services.Provided(catalog.entries(), there)


def of_publication(world: World, target: Target) -> publish.Facts:
    """Look at what became of the submission; render only what is to be handed in now, or lacks its Secrets."""
    if publish.published(target.app):
        return _release(world, target, publish.NONE) if _lost(world, target) else publish.Facts()
    submission = world.publications.state(target.name, target.revision)
    if not publish.is_due(target, submission):
        return publish.Facts(submission)
    try:
        return _release(world, target, submission)
    except BadInput as error:
        return publish.Facts(submission, fault=in_one_line(error))


def of_flux(world: World, target: Target) -> flux.Facts:
    """Look at what Flux says, and whether the revisions it names contain the release's commit."""
    space = world.stores.namespaces.get("", target.name)
    if not world.flux_known.is_set() and not _is_known(world, kinds.KUSTOMIZATION):
        return flux.Facts(installed=False)
    found = _kustomization(world, target)
    if target.settled:  # its commit was applied before, and the branch only ever grows
        return flux.Facts(True, space["metadata"]["uid"] if space else "", found, applied=True)
    status = (found or {}).get("status") or {}
    applied, attempted = (
        _contains(world, target, status.get(key) or "") for key in ("lastAppliedRevision", "lastAttemptedRevision")
    )
    return flux.Facts(True, space["metadata"]["uid"] if space else "", found, applied, attempted)


def of_rollout(world: World, target: Target) -> rollout.Facts:
    """Look at Deployments, the services beside them, and pods."""
    stores, name = world.stores, target.name
    sets = stores.stateful_sets
    return rollout.Facts(
        stores.deployments.within(name), stores.pods.within(name), sets.within(name), unseen=sets.refused
    )


def what_runs(world: World, target: Target) -> Target:
    """Return the target with a status that says what runs now, however far its deploy comes."""
    said = rollout.report(target, of_rollout(world, target))
    return replace(target, app=msgspec.structs.replace(target.app, status=report(target.app.status, said)))


def of_hpa(world: World, target: Target) -> hpa.Facts:
    """Look at how many pods of the app are wanted and, while a deploy is followed, how few its autoscaler keeps."""
    found = world.stores.deployments.get(target.name, names.workload(target.app.spec.app))
    return hpa.Facts(0 if target.settled else releases.fewest(target.app.spec, target.settings), found)


def of_route(world: World, target: Target) -> route.Facts:
    """Look at routes and endpoints, and ask the Gateway once those say that it is worth it, until it disappoints."""
    stores = world.stores
    facts = route.Facts(
        routes={found.metadata.name: found for found in stores.routes.within(target.name)},
        slices=stores.slices.within(target.name),
        pods={pod.metadata.name: pod for pod in stores.pods.within(target.name)},
        reachable=world.gateway.reachable,
    )
    for front in route.fronts(target):
        if route.ready_to_ask(target, facts, front) or not facts.reachable:
            return facts
        if route.is_to_answer(target, front):
            facts = replace(facts, answers={**facts.answers, front.host: world.gateway.ask(front.host)})
            if not isinstance(route.judged(target, facts, front), base.Done):
                return facts
    return facts


def of_what_is_left(world: World, target: Target) -> cleanup.Facts:
    """Look at everything of an environment that is to go, past the watches."""
    own, where = names.database(target.slot), target.settings.flux.namespace
    namespace = world.kube.get(kinds.NAMESPACE, "", target.name)
    pods, policies, claims = (
        world.kube.list(kind, target.name) if namespace else []
        for kind in (kinds.POD, kinds.NETWORK_POLICY, kinds.CLAIM)
    )
    facts = cleanup.Facts(
        submission=world.publications.state(target.name, target.revision),
        kustomization=_if_known(world, kinds.KUSTOMIZATION, where, target.name),
        namespace=namespace,
        pods=len(pods),
        policies=policies,
        claims=claims,
        account=world.kube.get(kinds.SERVICE_ACCOUNT, where, target.name),
        configured=world.databases is not None,
        elder=elder(world, target),
    )
    if world.databases is None or facts.elder:
        return facts
    retired, expired = cleanup.retired_name(target), cleanup.expired_name(target.slot)
    there = world.databases.snapshot((own.owner, own.app), (own.name, retired, expired), (own.owner, own.app))
    return replace(
        facts,
        owner=there.roles.get(own.owner),
        login=there.roles.get(own.app),
        database=there.databases.get(own.name),
        retired=retired in there.databases,
        expired=expired in there.databases,
    )


def _circumstances(world: World, target: Target, secret: str) -> tuple[object, ...]:
    """Return what the state of the database hangs on, as far as it can be watched; nothing without a Secret."""
    found = world.stores.secrets.get(target.name, secret)
    return (target.app.metadata.generation, found["metadata"]["resourceVersion"]) if found else ()


def _exists(world: World, space: str, name: str) -> bool:
    return world.stores.secrets.get(space, name) is not None or world.kube.get(kinds.SECRET, space, name) is not None


def _in_use(world: World, target: Target, service: str) -> str:
    """Return the password that a service runs with: its pods would read another one only when they start again."""
    secret = world.kube.get(kinds.SECRET, target.name, names.credentials_secret(service)) or {}
    is_own = base.is_own(target, secret.get("metadata", {}).get("labels") or {})
    return services.passwords(secret).get("password", "") if is_own else ""


def _lost(world: World, target: Target) -> bool:
    """Tell whether a Secret of a service beside the app is gone; their events come by its label."""
    kept = (names.variables_secret, names.credentials_secret)
    wanted = [name(service) for service in services.beside(target) for name in kept]
    return not all(_exists(world, target.name, name) for name in wanted)


def _release(world: World, target: Target, submission: publish.Submission) -> publish.Facts:
    """Render the release; look past the watches, which know kilter's own alone, at who has the names of its objects.

    The Kustomization is among them before it is committed: once it lies in Git, Flux itself puts it over another's.
    """
    rendered = _rendered(world, target)
    named = [world.kube.get(kinds.SECRET, target.name, each["metadata"]["name"]) for each in rendered.secrets]
    named.append(_kustomization(world, target))
    return publish.Facts(submission, rendered, tuple(each for each in named if each is not None))


def _kustomization(world: World, target: Target) -> Object | None:
    """Return the Kustomization of that name, whoever made it."""
    where = target.settings.flux.namespace
    known = world.stores.kustomizations.get(where, target.name)
    return known or _if_known(world, kinds.KUSTOMIZATION, where, target.name)


def _rendered(world: World, target: Target) -> Rendered:
    service = database.declared(target)
    known: Mapping[str, str] = {}
    if services.beside(target):
        known = services.passwords(world.kube.get(kinds.SECRET, target.name, services.CREDENTIALS))
    if service is not None:
        secret = world.kube.get(kinds.SECRET, target.name, names.database_secret(target.app.spec.app))
        known = {**known, service.name: database.password_of(secret)}
    return world.render_release(target.app.spec, Observed(target.name, target.settings, known))


def _contains(world: World, target: Target, revision: str) -> bool:
    commit, reached = target.app.status.git.commit if target.app.status.git else "", flux.revision_commit(revision)
    if not commit or not reached:
        return False
    try:
        return reached == commit or world.publications.writer.contains(reached, commit)
    except KilterError:
        return False  # unknown is not yet; Flux will say it again


def _if_known(world: World, kind: Kind, space: str, name: str) -> Object | None:
    """Return an object, or None when there is none, or when the cluster really has no such kind."""
    try:
        return world.kube.get(kind, space, name)
    except Missing:
        if _is_known(world, kind):
            raise  # a server that has just started does not serve it yet
        return None


def _is_known(world: World, kind: Kind) -> bool:
    """Tell whether the cluster has such a kind, served or not."""
    crds = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
    group = kind.api_version.partition("/")[0]
    return world.kube.get(crds, "", f"{kind.plural}.{group}") is not None
