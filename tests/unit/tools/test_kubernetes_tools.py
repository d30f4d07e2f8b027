import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kilter.errors import BadInput, NotAllowed
from kilter.tools import helm, kind, kubectl, tilt
from kilter.tools.kubectl import Kubectl
from kilter.tools.tilt import Resource, Tilt

FILE = Path("/cache/shop/kubeconfig")
KUBECTL = Kubectl("/bin/kubectl", FILE, "kind-kilter-shop", "shop-dev")
TILT = Tilt("/bin/tilt", 30019, Path("/data/shop/tilt/home"), FILE, "kind-kilter-shop", "shop-dev")
PLACE = ("--kubeconfig", str(FILE), "--context", "kind-kilter-shop", "--namespace", "shop-dev")


@pytest.mark.parametrize(("given", "written"), [(1_080_000, "1080000s"), (0.5, "0.5s"), (90.0, "90s")])
def test_a_time_limit_is_written_as_kubectl_reads_it(given: float, written: str) -> None:
    assert f"--request-timeout={written}" in KUBECTL.get("pods", timeout=given).argv


@pytest.mark.requirement("NS-10", "NS-Q10", "C11")
def test_every_command_that_can_reach_a_cluster_gets_the_projects_file() -> None:
    own = [
        KUBECTL.get("pods"),
        KUBECTL.get_raw("/readyz"),
        KUBECTL.logs("pod/x"),
        KUBECTL.restart("deployment/x"),
        KUBECTL.execute("pod/x", "true"),
        KUBECTL.apply("{}"),
        KUBECTL.delete("pod/x"),
        KUBECTL.passthrough(["get", "pods"]),
        TILT.up(Path("/cache/shop/Tiltfile")),
        TILT.resources(),
        TILT.trigger("app"),
        kind.create("kind", "kilter-shop", config="", kubeconfig=FILE, image="x"),
        kind.delete("kind", "kilter-shop", kubeconfig=FILE),
    ]
    assert {command.env["KUBECONFIG"] for command in own} == {str(FILE)}
    nowhere = helm.template("helm", "a", Path("/c"), namespace="n", values="", scratch=Path("/s"))
    assert nowhere.env["KUBECONFIG"] == "/dev/null"


@pytest.mark.requirement("NS-14", "NS-Q9")
def test_the_users_preferences_for_kubectl_steer_no_command() -> None:
    """A default there for `--server` leads to another cluster, one for `--interactive` makes `delete` do nothing."""
    passed = KUBECTL.passthrough(["get", "pods"])
    for command in (KUBECTL.get("pods"), KUBECTL.delete("pod/x"), passed):
        assert (command.env["KUBERC"], command.env["KUBECTL_KUBERC"]) == ("off", "false")


def test_tilt_keeps_its_files_inside_kilters_folders() -> None:
    for command in (TILT.up(Path("/cache/shop/Tiltfile")), TILT.resources(), TILT.trigger("app")):
        assert command.env["TILT_CONFIG"] is None
        assert command.env["TILT_DEV_DIR"] == "/data/shop/tilt/home"
        assert {name: value for name, value in command.env.items() if name.startswith("XDG_")} == {
            "XDG_CACHE_HOME": "/cache/tilt.d/cache",
            "XDG_DATA_HOME": "/cache/tilt.d/data",
            "XDG_STATE_HOME": "/cache/tilt.d/state",
        }


def test_kubectl_names_file_context_and_namespace() -> None:
    assert KUBECTL.get("pods,services", selector="a=b").argv == (
        "/bin/kubectl", *PLACE, "get", "pods,services", "--selector", "a=b", "--output", "json", "--ignore-not-found",
        "--request-timeout=20s",
    )  # fmt: skip
    assert KUBECTL.execute("statefulset/postgres", "psql", "-c", "select 1").argv == (
        "/bin/kubectl", *PLACE, "exec", "statefulset/postgres", "--", "psql", "-c", "select 1",
    )  # fmt: skip


def test_lists_and_single_objects_are_read_alike() -> None:
    assert kubectl.parse_list("") == ()
    assert kubectl.parse_list('{"kind": "List", "items": [{"kind": "Pod"}]}') == ({"kind": "Pod"},)
    assert kubectl.parse_list('{"kind": "Pod"}') == ({"kind": "Pod"},)


@pytest.mark.requirement("NS-Q9", "LC-Q31")
@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "pods"],
        ["--context", "kind-kilter-shop", "get", "pods"],
        ["get", "pods", "--context=kind-kilter-shop", f"--kubeconfig={FILE}"],
        ["exec", "pod", "--", "sh", "-c", "x", "--context", "production", "-s", "y"],
        ["get", "pods", "-n", "kube-system", "-A"],
        ["config", "view"],
        ["get", "pods", "--show-labels", "--selector=a=b"],
        ["apply", "-fsite.yaml"],
        ["logs", "-fp", "web"],
        ["-n", "config", "delete", "pod", "web"],
        ["-n", "shop-dev", "config", "get-contexts"],
    ],
)
def test_the_users_own_arguments_are_passed_on_as_they_are(arguments: list[str]) -> None:
    command = KUBECTL.passthrough(arguments)
    assert command.argv == ("/bin/kubectl", *arguments)
    assert command.timeout is None


@pytest.mark.requirement("NS-Q9", "NS-14", "C11")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--context", "production", "delete", "ns", "x"],
        ["delete", "ns", "x", "--context=production"],
        ["get", "pods", "--context"],
        ["get", "pods", "--kubeconfig", "/home/me/.kube/config"],
        ["get", "pods", "--cluster=production"],
        ["get", "pods", "--server", "https://elsewhere"],
        ["get", "pods", "-s", "https://elsewhere"],
        ["get", "pods", "-shttps://elsewhere"],
        ["get", "pods", "-s=https://elsewhere"],
        ["get", "pods", "-As", "https://elsewhere"],
        ["logs", "-fs", "https://elsewhere", "web"],
        ["-n", "shop-dev", "logs", "web", "-pfshttps://elsewhere"],
        ["config", "use-context", "production"],
        ["config", "set-cluster", "x"],
        ["--namespace=x", "config", "delete-context", "kind-kilter-shop"],
        ["-n", "shop-dev", "config", "set-context", "--current", "--namespace=kube-system"],
        ["config", "--user", "x", "set-context", "--current"],
        ["--match-server-version", "config", "use-context", "x"],
        ["-nx", "-v", "3", "config", "unset", "users"],
    ],
)
def test_arguments_that_lead_elsewhere_are_refused(arguments: list[str]) -> None:
    with pytest.raises(NotAllowed):
        KUBECTL.passthrough(arguments)


def test_tilt_runs_on_its_own_port_in_its_own_folder() -> None:
    command = TILT.up(Path("/cache/shop/Tiltfile"))
    assert command.argv == (
        "/bin/tilt", "up", "--stream", "--file", "/cache/shop/Tiltfile", "--context", "kind-kilter-shop",
        "--namespace", "shop-dev", "--host", "127.0.0.1", "--port", "30019",
    )  # fmt: skip
    assert command.env["TILT_DEV_DIR"] == "/data/shop/tilt/home"
    assert command.env["TILT_PORT"] is None
    assert command.env["DO_NOT_TRACK"] == "1"
    assert command.timeout is None


def test_questions_to_tilt_name_its_port() -> None:
    assert TILT.trigger("app").argv == ("/bin/tilt", "trigger", "--host", "127.0.0.1", "--port", "30019", "app")


def test_the_resources_of_tilt_are_read() -> None:
    noon = "2026-01-01T12:00:00.000000Z"
    history = [{"error": "exit status 1", "startTime": noon, "finishTime": noon}, {}]
    status = {"updateStatus": "error", "buildHistory": history}
    items = [{"metadata": {"name": "app"}, "status": status}, {"metadata": {"name": "(Tiltfile)"}, "status": {}}]
    when = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert tilt.parse_resources(json.dumps({"items": items})) == (
        Resource("(Tiltfile)", "unknown"),
        Resource("app", "error", "exit status 1", began=when, finished=when),
    )


def test_what_tilt_tells_in_another_order_each_time_is_told_in_one() -> None:
    names = ("worker", "app", "side")
    items = [{"metadata": {"name": name}} for name in names]
    blind = [{"kind": "FileWatch", "metadata": {"name": name}, "status": {"error": "full"}} for name in names]
    answer = json.dumps({"items": [*items, *blind]})
    assert [each.name for each in tilt.parse_resources(answer)] == ["app", "side", "worker"]
    assert list(tilt.parse_unwatched(answer)) == ["app", "side", "worker"]


def test_the_files_that_tilt_could_not_watch_are_read() -> None:
    error = 'filewatch init: notify.Add("/shop"): watcher.Add("/shop/a \\"b\\""): no space left on device'
    metadata = {"name": "image:app", "annotations": {"tilt.dev/resource": "app"}}
    items = [
        {"kind": "UIResource", "metadata": {"name": "app"}, "status": {"updateStatus": "ok"}},
        {"kind": "FileWatch", "metadata": metadata, "status": {"error": error}},
        {"kind": "FileWatch", "metadata": {"name": "image:worker"}, "status": {}},
    ]
    answer = json.dumps({"items": items})
    assert tilt.parse_unwatched(answer) == {"app": "no space left on device"}
    assert [each.name for each in tilt.parse_resources(answer)] == ["app"]


@pytest.mark.requirement("CT-2", "CT-Q1")
def test_helm_renders_without_cluster_network_or_the_users_settings() -> None:
    chart = Path("/charts/postgres")
    command = helm.template("/bin/helm", "postgres", chart, namespace="shop-dev", values="a: b", scratch=Path("/s"))
    assert command.argv == (
        "/bin/helm", "template", "postgres", "/charts/postgres", "--namespace", "shop-dev", "--values", "-",
        "--kube-version", "1.37.0", "--include-crds",
    )  # fmt: skip
    assert command.stdin == "a: b"
    assert command.error is BadInput
    assert command.env["HELM_CONFIG_HOME"] == "/s/config"
    assert command.env["HELM_PLUGINS"] is None


@pytest.mark.requirement("LC-1")
def test_kind_reads_its_config_from_stdin_and_keeps_a_failed_node() -> None:
    command = kind.create("/bin/kind", "kilter-shop", config="kind: Cluster", kubeconfig=FILE, image="node:1")
    assert command.argv == (
        "/bin/kind", "create", "cluster", "--name", "kilter-shop", "--config", "-", "--image", "node:1", "--retain",
        "--wait", "0s", "--kubeconfig", str(FILE),
    )  # fmt: skip
    assert command.stdin == "kind: Cluster"
    assert command.env["KIND_EXPERIMENTAL_PROVIDER"] == "docker"
