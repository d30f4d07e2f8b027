"""kilter-server's cluster against a real API server: the CRD is taken, its rules are kept, nobody's field is."""

import asyncio
import re
import urllib.error
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kilter.api.crd import crd
from kilter.api.kilterapp import NAMESPACE, Spec
from kilter.api.kilterapp_parts import Source, Timeouts
from kilter.server.cluster import KubeCluster, connect
from kilter.server.refusals import Unavailable
from kilter.server.seams import Alive, Conflict, Gone, Listed, Seen

from .apiserver import ApiServer

IMAGE = "registry.example.com/acme/written@sha256:" + "a" * 64
OBJECTS = f"/apis/kilter.dev/v1alpha1/namespaces/{NAMESPACE}/kilterapps"
PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/install-the-platform.md"
SOON = 20.0  # seconds; the machine may be busy


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


@pytest.fixture(scope="module")
def cluster(api: ApiServer, loop: asyncio.Runner) -> Iterator[KubeCluster]:
    api.retried("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd())
    api.retried("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    found = connect(api.kubeconfig("server"))
    loop.run(served(found))
    yield found
    loop.run(found.close())


async def served(cluster: KubeCluster) -> None:
    """Wait until the API server serves the new kind."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                await cluster.apply("warm-up-dev", spec(org="warm", app="up"))
            except Exception:  # noqa: BLE001 - whatever it says before it serves the kind
                await asyncio.sleep(0.2)
            else:
                return


def spec(**changes: Any) -> Spec:
    fixed = {"org": "acme", "app": "written", "env": "dev", "deployId": "dep-1", "sequence": 1, "actor": "ann"}
    return msgspec.convert({**fixed, "image": IMAGE, "port": 8080, **changes}, Spec)


def test_what_a_later_spec_leaves_out_is_gone_and_defaults_are_filled_in(
    api: ApiServer, cluster: KubeCluster, loop: asyncio.Runner
) -> None:
    """DP-14: one object, which is updated."""
    loop.run(cluster.apply("acme-written-dev", spec(vars={"A": "1"}, processes={"worker": {"command": ["a"]}})))
    stored = api.request("GET", f"{OBJECTS}/acme-written-dev")["spec"]
    assert (stored["vars"], stored["public"], stored["databaseOnDelete"]) == ({"A": "1"}, True, "keep")
    assert stored["processes"]["worker"] == {"command": ["a"], "port": 0, "public": False, "replicas": 1}
    loop.run(cluster.apply("acme-written-dev", spec(sequence=2, port=9090)))
    stored = api.request("GET", f"{OBJECTS}/acme-written-dev")["spec"]
    assert (stored["port"], "vars" in stored, "processes" in stored) == (9090, False, False)


@pytest.mark.requirement("DP-14", "DP-Q39")
def test_a_time_limit_and_a_commit_that_a_later_deploy_does_not_name_are_gone(
    api: ApiServer, cluster: KubeCluster, loop: asyncio.Runner
) -> None:
    name, empty = "acme-patient-dev", {"timeouts": Timeouts(ready=None), "source": Source(commit="")}
    loop.run(cluster.apply(name, spec(app="patient", timeouts={"ready": "30m"}, source={"commit": "a" * 40})))
    later = msgspec.structs.replace(spec(app="patient", sequence=2), **empty)
    loop.run(cluster.apply(name, later))
    stored = api.request("GET", f"{OBJECTS}/{name}")["spec"]
    assert (stored["sequence"], "timeouts" in stored, "commit" in stored.get("source", {})) == (2, False, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence": 1}, "a lower sequence never overwrites a higher one"),
        ({"sequence": 3, "org": "globex"}, "org never changes"),
        ({"sequence": 3, "env": "prod"}, "env never changes"),
        ({"sequence": 3, "secrets": {}}, "needs pruneSecrets"),
    ],
)
def test_the_api_server_itself_keeps_the_rules(
    cluster: KubeCluster, loop: asyncio.Runner, changes: dict[str, Any], message: str
) -> None:
    """DP-Q66, SC-Q1, section 13."""
    loop.run(cluster.apply("acme-rules-dev", spec(app="rules", sequence=2)))
    with pytest.raises(Conflict, match=message):
        loop.run(cluster.apply("acme-rules-dev", spec(**{"app": "rules", **changes})))


def test_what_the_api_server_cannot_put_together_is_refused_for_good(
    cluster: KubeCluster, loop: asyncio.Runner
) -> None:
    """It answers 500, as if asking again might help."""
    services = [{"name": "db", "kind": "postgres"}, {"name": "db", "kind": "redis"}]
    with pytest.raises(Conflict, match="duplicate entries"):
        loop.run(cluster.apply("acme-twice-dev", spec(app="twice", services=services)))


def test_a_field_that_somebody_edited_is_seen_and_not_taken_and_does_not_keep_the_object(
    api: ApiServer, cluster: KubeCluster, loop: asyncio.Runner
) -> None:
    path = f"{OBJECTS}/acme-edited-dev"
    loop.run(cluster.apply("acme-edited-dev", spec(app="edited")))
    edit = {"apiVersion": "kilter.dev/v1alpha1", "kind": "KilterApp", "metadata": {"name": "acme-edited-dev"}}
    api.apply(path, {**edit, "spec": {**msgspec.to_builtins(spec(app="edited")), "port": 7}}, "somebody")
    with pytest.raises(Conflict, match=r'"somebody"[\s\S]*spec\.port[\s\S]*; docs/concepts/server'):
        loop.run(cluster.apply("acme-edited-dev", spec(app="edited", sequence=2)))
    loop.run(cluster.delete("acme-edited-dev", spec(app="edited", sequence=2)))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        api.request("GET", path)


def test_an_object_that_came_back_from_a_backup_takes_a_deploy_where_it_came_in_the_name_that_the_page_says(
    api: ApiServer, cluster: KubeCluster, loop: asyncio.Runner
) -> None:
    (named,) = re.findall(r"--field-manager=(\S+) --filename kilterapps-new\.json", PAGE.read_text())
    for app, manager in (("restored", named), ("taken", "kubectl-create")):
        kept = {"apiVersion": "kilter.dev/v1alpha1", "kind": "KilterApp", "metadata": {"name": f"acme-{app}-dev"}}
        api.apply(f"{OBJECTS}/acme-{app}-dev", {**kept, "spec": msgspec.to_builtins(spec(app=app))}, manager)
    loop.run(cluster.apply("acme-restored-dev", spec(app="restored", sequence=2)))
    with pytest.raises(Conflict, match=r"spec\.sequence"):
        loop.run(cluster.apply("acme-taken-dev", spec(app="taken", sequence=2)))


@pytest.mark.requirement("DP-14", "DP-Q17")
def test_one_that_came_back_with_all_defaults_filled_in_takes_a_deploy_that_says_less(
    api: ApiServer, cluster: KubeCluster, loop: asyncio.Runner
) -> None:
    name, first = "acme-filled-dev", spec(app="filled", timeouts={"ready": "30m"}, source={"message": "First"})
    loop.run(cluster.apply(name, first))
    kept = api.request("GET", f"{OBJECTS}/{name}")["spec"]
    body = {"apiVersion": "kilter.dev/v1alpha1", "kind": "KilterApp", "metadata": {"name": name}}
    api.apply(f"{OBJECTS}/{name}", {**body, "spec": kept}, "kilter-server")
    silent = {"timeouts": Timeouts(ready=None), "source": Source(commit="")}
    loop.run(cluster.apply(name, msgspec.structs.replace(first, sequence=2, **silent)))
    assert api.request("GET", f"{OBJECTS}/{name}")["spec"]["sequence"] == 2


@pytest.mark.parametrize("slept_before", ["patch", "delete"])
def test_a_replica_that_slept_over_a_delete_touches_no_object_that_was_made_since(
    api: ApiServer, cluster: KubeCluster, loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, slept_before: str
) -> None:
    name, path = f"acme-slept{slept_before}-dev", f"{OBJECTS}/acme-slept{slept_before}-dev"
    app = f"slept{slept_before}"
    loop.run(cluster.apply(name, spec(app=app)))
    look, patch = cluster._client.get, cluster._client.patch

    def make_anew() -> None:
        api.request("DELETE", path)
        body = {"apiVersion": "kilter.dev/v1alpha1", "kind": "KilterApp", "metadata": {"name": name}}
        api.apply(path, {**body, "spec": msgspec.to_builtins(spec(app=app, sequence=3))}, "kilter-server")

    async def looked(*arguments: Any, **more: Any) -> Any:
        found = await look(*arguments, **more)
        if slept_before == "patch":
            make_anew()
        return found

    async def patched(*arguments: Any, **more: Any) -> Any:
        found = await patch(*arguments, **more)
        if slept_before == "delete":
            make_anew()
        return found

    with monkeypatch.context() as asleep:
        asleep.setattr(cluster._client, "get", looked)
        asleep.setattr(cluster._client, "patch", patched)
        with pytest.raises((Unavailable, Conflict)):
            loop.run(cluster.delete(name, spec(app=app, sequence=2, databaseOnDelete="drop")))
    kept = api.request("GET", path)["spec"]
    assert (kept["sequence"], kept["databaseOnDelete"]) == (3, "keep")
    with pytest.raises(Conflict, match="later than this delete"):
        loop.run(cluster.delete(name, spec(app=app, sequence=2, databaseOnDelete="drop")))


def test_a_watch_tells_what_there_is_what_changes_and_what_goes(
    api: ApiServer, cluster: KubeCluster, loop: asyncio.Runner
) -> None:
    name = "acme-watched-dev"

    async def story() -> tuple[Listed, Seen, Gone]:
        watch = cluster.watch()
        assert isinstance(watch, AsyncGenerator)
        async with asyncio.timeout(SOON), aclosing(watch) as told:
            changes = (each async for each in told if not isinstance(each, Alive))
            first = await anext(changes)
            await cluster.apply(name, spec(app="watched"))
            seen = await anext(changes)
            await cluster.delete(name, spec(app="watched", sequence=2))
            async for change in changes:
                if isinstance(change, Gone):
                    return first, seen, change
        raise AssertionError("the watch ended")

    first, seen, gone = loop.run(story())
    assert name not in first.names
    assert seen.app.metadata.name == gone.name == name
