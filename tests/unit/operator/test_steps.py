"""Single decisions of the steps, where what matters is one object or one word."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kilter.api.kilterapp import KilterApp, Metadata, Spec
from kilter.api.kilterapp_status import Git as Published
from kilter.api.kilterapp_status import Status
from kilter.gitops.layout import lay_out
from kilter.gitops.model import Change
from kilter.operator import effects, kinds
from kilter.operator.effects import Effect
from kilter.operator.settings import Flux, Gateway, Registry, Settings
from kilter.operator.steps import admission, cleanup, database, flux, namespace, route
from kilter.operator.steps.base import Failed, Target, Wait
from kilter.operator.steps.publish import Submission
from kilter.render import names
from kilter.signing import pulls
from kilter.signing.keys import generate, read

SPACE = "acme-shop-prod"
PULL = '{"auths": {"registry.example.com": {"auth": "canary"}}}'


def rsa_pem() -> str:
    private = rsa.generate_private_key(65537, 2048)
    kind, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(kind, form, serialization.NoEncryption()).decode()


def target(settings: Settings | None = None, *, commit: str = "", **changes: Any) -> Target:
    given = {
        "org": "acme",
        "app": "shop",
        "env": "prod",
        "deployId": "dep-1",
        "sequence": 1,
        "actor": "mia",
        "image": "registry.example.com/acme/shop@sha256:" + "1" * 64,
        "port": 8080,
    }
    status = Status(git=Published(path="apps/acme/shop/prod", commit=commit)) if commit else Status()
    app = KilterApp(metadata=Metadata(name=SPACE), spec=msgspec.convert(given | changes, Spec), status=status)
    return Target(app, settings or Settings(), datetime.now(UTC))


@pytest.mark.requirement("O4")
def test_a_namespace_that_somebody_gave_an_owner_is_freed_of_it_before_anything_else() -> None:
    asked = target()
    there = {**namespace.wanted(asked)[0]}
    there["metadata"] = {**there["metadata"], "ownerReferences": [{"kind": "ConfigMap", "name": "x", "uid": "0"}]}
    assert namespace.decide(asked, namespace.Facts(there)).effects[0] == effects.Disown(there)
    del there["metadata"]["ownerReferences"]
    assert not [each for each in namespace.decide(asked, namespace.Facts(there)).effects if "Disown" in repr(each)]


@pytest.mark.requirement("DP-Q6")
def test_the_login_for_images_is_a_secret_of_the_namespace_and_made_anew_when_it_changes() -> None:
    asked = target(Settings(pull_config=PULL))
    made = namespace.pull_secret(asked)
    assert (made["metadata"]["name"], made["type"]) == ("images.kilter.dev", "kubernetes.io/dockerconfigjson")
    observed = {"metadata": {**made["metadata"], "resourceVersion": "7"}}

    def applied(now: Target, pull: Any) -> list[str]:
        decision = namespace.decide(now, namespace.Facts(pull=pull))
        things = [effect.thing for effect in decision.effects if isinstance(effect, effects.Apply)]
        return [thing["metadata"]["name"] for thing in things if thing["kind"] == "Secret"]

    assert applied(asked, None) == ["images.kilter.dev"]
    assert applied(asked, observed) == []
    assert applied(target(Settings(pull_config=PULL + " ")), observed) == ["images.kilter.dev"]
    assert applied(target(), None) == []


def test_the_registries_with_a_login_are_known_by_their_hosts() -> None:
    given = ("https://index.docker.io/v1/", "ghcr.io/acme", "*.azurecr.io", "localhost:5000")
    config = json.dumps({"auths": {name: {"auth": "canary"} for name in given}})
    own = Registry(place="registry.example.com/apps", issuer="https://kilter.example.com", key="pem")
    found = namespace.registries(Settings(pull_config=config, registry=own))
    assert found == {"docker.io", "ghcr.io", "*.azurecr.io", "localhost:5000", "registry.example.com"}
    assert namespace.registries(Settings(registry=replace(own, key=""))) == frozenset()


@pytest.mark.requirement("DP-Q6")
@pytest.mark.parametrize("make", [generate, rsa_pem], ids=["ec", "rsa"])
def test_an_environment_pulls_with_a_login_of_its_own_for_its_apps_images_alone(make: Callable[[], str]) -> None:
    key = make()
    registry = Registry("registry.example.com:5000/team", "https://kilter.example.com", key)
    asked = target(Settings(pull_config=PULL, registry=registry))
    auths = json.loads(namespace.logins(asked))["auths"]
    assert auths["registry.example.com"] == {"auth": "canary"}
    user, _, password = base64.b64decode(auths["registry.example.com:5000"]["auth"]).decode().partition(":")
    assert user == "kilter"
    assert pulls.repository_of(read(key), "https://kilter.example.com", password) == "team/acme/shop"
    assert pulls.repository_of(read(key), "https://other.example.com", password) is None
    assert pulls.repository_of(read(make()), "https://kilter.example.com", password) is None
    there = namespace.Facts(pull={"metadata": namespace.pull_metadata(asked)})
    secrets = [each for each in namespace.decide(asked, there).effects if "Secret" in str(each)]
    assert secrets == []


@pytest.mark.requirement("DP-Q16", "B7")
def test_flux_has_an_account_of_the_environments_own_that_may_act_in_its_namespace_alone() -> None:
    things = {
        thing["kind"]: thing for thing in namespace.wanted(target(Settings(flux=Flux("flux", role="kilter-env"))))
    }
    assert things["ServiceAccount"]["metadata"]["namespace"] == "flux"
    binding = things["RoleBinding"]
    assert binding["metadata"]["namespace"] == SPACE
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kilter-env"}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": SPACE, "namespace": "flux"}]


@pytest.mark.requirement("DP-Q16")
def test_the_kustomization_that_the_operator_applies_is_the_one_that_lies_in_git() -> None:
    """Else Flux, which applies the one in Git, and the operator would each undo the other's for ever."""
    settings = Settings(cluster="east", flux=Flux("flux", "desired", "age"))
    change = Change("acme", "shop", "prod", SPACE, {"a.yaml": "kind: A\nmetadata: {name: a}\n"})
    laid = lay_out(change, flux.installation(settings))
    assert laid.pointer == f"clusters/east/envs/{SPACE}.yaml"
    applied = flux.kustomization(target(settings, commit="c" * 40), "12345678-1234")
    assert applied["metadata"].pop("annotations") == {"reconcile.fluxcd.io/requestedAt": f"{'c' * 40}.12345678"}
    assert applied == yaml.safe_load(laid.files[laid.pointer])


@pytest.mark.requirement("DP-Q19", "DP-Q25")
def test_flux_is_asked_to_fetch_the_commit_that_removes_an_environment() -> None:
    asked = target(commit="c" * 40)
    labels = asked.labels
    metadata = {"name": SPACE, "namespace": "flux-system", "uid": "u1", "labels": labels}
    facts = cleanup.Facts(Submission("published", "d" * 40), kustomization={"metadata": metadata})
    deleted, poked = cleanup.decide(asked, facts).effects
    assert isinstance(deleted, effects.Delete)
    assert poked == effects.PokeSource("d" * 40)
    gone = cleanup.decide(asked, replace(facts, kustomization=None))
    assert gone.effects == ()


@pytest.mark.requirement("O4")
@pytest.mark.parametrize(("seconds", "is_late"), [(None, False), (59, False), (61, True)])
def test_how_to_go_on_without_flux_is_told_once_it_has_let_a_minute_pass(seconds: int | None, is_late: bool) -> None:
    asked = target()
    metadata = {"name": SPACE, "namespace": "flux-system", "uid": "u1", "labels": asked.labels}
    if seconds is not None:
        metadata["deletionTimestamp"] = (asked.now - timedelta(seconds=seconds)).isoformat()
    verdict = cleanup.decide(asked, cleanup.Facts(LEAVING, kustomization={"metadata": metadata})).verdict
    assert isinstance(verdict, Wait)
    assert verdict.message.startswith("waiting for Flux to prune what it applied")
    assert ("kubectl" in verdict.message) is is_late


LEAVING = Submission("published", "d" * 40)
ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def there(asked: Target, **metadata: Any) -> Any:
    """Return the environment's namespace as a cluster has it."""
    return {"metadata": {"name": SPACE, "uid": "u1", "labels": asked.labels, "annotations": {"a": "b"}} | metadata}


@pytest.mark.requirement("DP-Q25")
def test_the_cluster_is_asked_once_to_look_at_a_namespace_whose_last_pod_has_ended() -> None:
    asked = target()

    def wanted(pods: int, **metadata: Any) -> tuple[Effect, ...]:
        return cleanup.decide(asked, cleanup.Facts(LEAVING, namespace=there(asked, **metadata), pods=pods)).effects

    assert wanted(0) == wanted(2) == (effects.Delete(kinds.NAMESPACE, "", SPACE, "u1"),)
    assert wanted(2, **ENDING) == ()
    assert wanted(0, **ENDING) == (effects.Annotate(kinds.NAMESPACE, "", SPACE, "u1", cleanup.EMPTY, "true"),)
    assert wanted(0, **ENDING, annotations={cleanup.EMPTY: "true"}) == ()
    assert wanted(0, **ENDING, labels={"team": "others"}) == ()


@pytest.mark.requirement("DP-Q25")
def test_claims_go_beside_their_namespace_and_only_with_it() -> None:
    asked = target()
    claims = [{"metadata": {"name": "data-redis-0", "uid": "u2"}}, {"metadata": {"name": "old", "uid": "u3"} | ENDING}]

    def wanted(**metadata: Any) -> tuple[Effect, ...]:
        facts = cleanup.Facts(LEAVING, namespace=there(asked, **metadata), pods=1, claims=claims)
        return cleanup.decide(asked, facts).effects

    assert wanted(**ENDING) == (effects.Delete(kinds.CLAIM, SPACE, "data-redis-0", "u2"),)
    assert wanted() == (effects.Delete(kinds.NAMESPACE, "", SPACE, "u1"),)
    assert wanted(**ENDING, labels={"team": "others"}) == ()


@pytest.mark.requirement("DP-Q25")
def test_flux_leaves_the_network_policies_to_pods_that_still_end() -> None:
    """Without them an app that finishes its work is cut off from its database, and from names."""
    asked = target()
    key, value = cleanup.SPARED
    kustomization = {"metadata": {"name": SPACE, "namespace": "flux-system", "uid": "u2", "labels": asked.labels}}
    policies: list[dict[str, Any]] = [
                {"metadata": {"name": "default.kilter.dev", "uid": "u3"}},
                {"metadata": {"name": "other", "uid": "u4", "annotations": {key: value}}}]  # fmt: skip

    def wanted(**metadata: Any) -> tuple[Effect, ...]:
        facts = cleanup.Facts(LEAVING, kustomization, there(asked, **metadata), policies=policies)
        return cleanup.decide(asked, facts).effects

    spared = effects.Annotate(kinds.NETWORK_POLICY, SPACE, "default.kilter.dev", "u3", key, value)
    deleted = effects.Delete(kinds.KUSTOMIZATION, "flux-system", SPACE, "u2")
    assert wanted() == (spared, deleted, effects.PokeSource("d" * 40))
    assert wanted(labels={"team": "others"}) == (deleted, effects.PokeSource("d" * 40))


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"app": "kilter"}, "kilter.apps.example.com"),
        ({"app": "registry"}, "registry.apps.example.com"),
        ({"app": "portal", "env": "eu"}, "portal-eu.apps.example.com"),
        ({"app": "web", "processes": {"x": {"command": ["x"], "port": 1, "public": True}}}, "web--x.apps.example.com"),
    ],
)
def test_a_host_of_the_platform_itself_is_no_apps_whoever_wrote_the_spec(changes: dict[str, Any], host: str) -> None:
    """DP-Q9."""
    settings = Settings(
        domain="apps.example.com",
        registry=Registry(place="registry.apps.example.com:5000/images", issuer="https://kilter.apps.example.com"),
        gateway=Gateway(hosts=("portal-eu.apps.example.com", "web--x.apps.example.com")),
    )
    asked = target(settings, **changes)
    spec = asked.app.spec
    asked = replace(asked, app=KilterApp(metadata=Metadata(name=f"acme-{spec.app}-{spec.env}"), spec=spec))
    verdict = admission.decide(asked).verdict
    assert isinstance(verdict, Failed)
    assert (verdict.reason, host in verdict.message) == ("HostTaken", True)
    elsewhere = replace(asked, app=msgspec.structs.replace(asked.app, spec=msgspec.structs.replace(spec, public=False)))
    assert isinstance(admission.decide(elsewhere).verdict, Failed) is ("processes" in changes)


def test_calls_between_apps_are_refused_as_long_as_nobody_can_agree_to_them() -> None:
    decision = admission.decide(target(allowFrom=["acme/web"]))
    assert isinstance(decision.verdict, Failed)
    assert "`allowFrom`" in decision.verdict.message


@pytest.mark.requirement("DP-26", "DP-Q10")
def test_the_public_address_names_a_port_that_is_not_the_schemes_own() -> None:
    trial = Settings(domain="localhost", tls=False, public_port=30080)
    assert route.url(target(trial)) == "http://shop.localhost:30080"
    assert route.host(target(trial)) == "shop.localhost"
    assert route.url(target(Settings(domain="apps.example.com"))) == "https://shop.apps.example.com"


@pytest.mark.requirement("O2", "F36")
@pytest.mark.parametrize(
    ("mark", "open_to_all", "is_sealed"),
    [("", True, False), ("", False, False), ("own", True, False), ("own", False, True)],
)
def test_a_database_is_closed_to_others_whatever_was_left_undone_when_it_was_made(
    mark: str, open_to_all: bool, is_sealed: bool
) -> None:
    """An operator that is killed between both leaves one that every role of the server may open."""
    asked = target(services=[{"name": "postgres", "kind": "postgres"}])
    own, ours = names.database(asked.slot), database.mark(asked)
    there = database.DatabaseFact(own.owner, ours if mark else "", open_to_all)
    role = database.RoleFact(ours, can_login=True)
    decision = database.decide(asked, database.Facts(owner=role, login=role, is_member=True, database=there))
    seals = [each for each in decision.effects if isinstance(each, effects.SealDatabase)]
    assert seals == ([] if is_sealed else [effects.SealDatabase(own.name, own.owner, ours)])
