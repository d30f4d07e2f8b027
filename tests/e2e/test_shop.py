"""The whole life of a project, on a real cluster, through the installed kilter. The tests run in this order."""

import hashlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import msgspec
import psycopg
import pytest
import yaml
from harness.cli import ROOT, Kilter, docker
from harness.expect import Expectations
from harness.project import free_name

from kilter.clusters.ports import has_ipv6
from kilter.dev.documents import DOCUMENTS
from kilter.state.lock import holder
from kilter.state.paths import Paths

pytestmark = pytest.mark.cluster
NAME = free_name()  # `shop` may be up on this machine, by `make demo` say, and belongs to whoever runs it
NODE, NAMESPACE, USER = f"kilter-{NAME}-control-plane", f"{NAME}-dev", NAME.replace("-", "_")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kilter]:
    """A copy of examples/shop in a HOME of its own, with a kubeconfig of the user's that nobody may touch."""
    base = tmp_path_factory.mktemp("e2e")
    home = base / "home with space"
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text("# the user's own\n")
    shutil.copytree(ROOT / "examples" / "shop", base / "shop")
    file = base / "shop" / "kilter.yaml"
    file.write_text(file.read_text().replace("name: shop\n", f"name: {NAME}\n", 1))
    kilter = Kilter(base / "shop", home)
    yield kilter
    kilter.run("destroy", "--yes", "--no-snapshot", "--purge", code=None)


def app_address(shop: Kilter) -> str:
    status = shop.json("status")
    return str(next(row["localhost"] for row in status["workloads"] if row["kind"] == "component"))


def rows(shop: Kilter, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(shop.localhost()["DATABASE_URL"]) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.requirement("LC-1", "LC-2", "LC-8", "NS-2", "LC-Q6", "LC-Q16")
def test_up_brings_everything_to_its_printed_address(shop: Kilter) -> None:
    result = shop.run("up", "--timings", "--timeout", "6m")
    for name in (NAME, "worker", "postgres", "redis"):
        assert name in result.out
    assert docker("ps", "--filter", f"name={NODE}", "--format", "{{.Names}}").split() == [NODE]


@pytest.mark.requirement("CT-12", "NS-22", "NS-29", "NS-30", "CT-10")
def test_the_example_does_what_its_expectations_say(shop: Kilter) -> None:
    env = shop.localhost()
    services = {"postgres": env["DATABASE_URL"], "redis": env["REDIS_URL"]}
    assert Expectations(app_address(shop), services, shop.directory).run(shop.directory / "expect.yaml") > 10


@pytest.mark.requirement("NS-23", "NS-24", "NS-25", "NS-26", "NS-27", "NS-28", "NS-Q20", "NS-Q21")
def test_env_prints_both_sections_in_order(shop: Kilter) -> None:
    text = shop.run("env").out
    inside, _, outside = text.partition("# Localhost (NodePort mapping):")
    assert inside.startswith("# In-cluster (K8s DNS):")
    assert f"DATABASE_URL=postgresql://{USER}:" in inside
    assert f"@postgres.{NAMESPACE}.svc:5432/{USER}" in inside
    assert f"DATABASE_URL=postgresql://{USER}:" in outside
    assert "@localhost:3" in outside
    assert text.count("REDIS_URL=") == 2


@pytest.mark.requirement("NS-Q24")
def test_env_proves_that_each_address_is_this_projects(shop: Kilter) -> None:
    assert "postgres" in shop.run("env", "--check-live").err


@pytest.mark.requirement("LC-Q7", "CT-Q24")
def test_up_again_changes_nothing_and_starts_no_second_tilt(shop: Kilter) -> None:
    ours = [f"--filter=name={name}" for name in (NODE, "kilter-registry", "kilter-cache-")]
    before = docker("ps", "--no-trunc", "--quiet", *ours)
    tilt = tilt_pids(shop)
    result = shop.run("up")
    assert docker("ps", "--no-trunc", "--quiet", *ours) == before
    assert tilt_pids(shop) == tilt
    assert len(tilt) == 1
    assert "already running" in result.err


@pytest.mark.requirement("LC-31", "LC-Q30", "NS-41", "NS-Q28")
@pytest.mark.parametrize("command", ["status", "ps", "env", "doctor"])
def test_json_documents_fit_their_schemas(shop: Kilter, command: str) -> None:
    document = shop.json(command)
    assert document["schema"] == f"kilter.{command}/v1"
    jsonschema_rs.validator_for(msgspec.json.schema(DOCUMENTS[command])).validate(document)


@pytest.mark.requirement("LC-31")
def test_status_shows_every_workload_ready(shop: Kilter) -> None:
    status = shop.json("status")
    assert (status["state"], status["ready"]) == ("up", True)
    assert {row["name"]: row["ready"] for row in status["workloads"]} == dict.fromkeys(
        ("postgres", "redis", NAME, "worker"), True
    )


@pytest.mark.requirement("LC-32", "LC-Q32")
def test_logs_show_one_service_or_all_with_their_names(shop: Kilter) -> None:
    assert "database system is ready" in shop.run("logs", "postgres").out
    merged = shop.run("logs", "--tail", "2").out
    assert "postgres" in merged
    assert "worker" in merged
    wrong = shop.run("logs", "postgrs", code=2)
    assert "did you mean 'postgres'?" in wrong.err


@pytest.mark.requirement("LC-33", "LC-Q30")
def test_restart_replaces_the_pods_and_keeps_the_rows(shop: Kilter) -> None:
    before = rows(shop, "select count(*) from orders")
    pods = shop.run("kubectl", "--", "get", "pods", "-o", "name").out
    shop.run("restart", "postgres", "worker")
    assert rows(shop, "select count(*) from orders") == before
    assert shop.run("kubectl", "--", "get", "pods", "-o", "name").out != pods


@pytest.mark.requirement("LC-32", "LC-33")
def test_a_followed_log_goes_on_in_the_pod_that_takes_over(shop: Kilter) -> None:
    before, after = (f"/?{secrets.token_hex(8)}" for _ in range(2))
    following = shop.start("logs", "--follow", NAME)
    watchdog = threading.Timer(240, following.kill)
    watchdog.start()

    def comes(asked: str) -> bool:
        assert following.stdout is not None
        with urllib.request.urlopen(app_address(shop) + asked, timeout=60):
            pass
        return any(asked in line for line in following.stdout)

    try:
        assert comes(before), "it follows the old pod"
        shop.run("restart", NAME)
        assert comes(after), "the new pod's lines come too"
        following.send_signal(signal.SIGINT)
        said = following.communicate(timeout=30)[1]
    finally:
        watchdog.cancel()
        following.kill()
    assert f"{NAME}: following its new pod" in said
    assert following.returncode == 130


@pytest.mark.requirement("NS-Q2", "NS-Q14")
def test_a_lost_record_of_ports_and_passwords_comes_back_with_the_same_ones(shop: Kilter) -> None:
    before = shop.run("env").out
    (shop.home / ".local/share/kilter/ports.json").unlink()
    assert shop.run("env").out == before
    shop.run("up", "--timeout", "4m")
    assert "postgres" in shop.run("env", "--check-live").err
    assert rows(shop, "select 1") == [(1,)]


@pytest.mark.requirement("NS-6", "NS-12", "NS-13", "NS-14", "NS-Q8", "NS-Q9", "NS-42")
def test_kubectl_reaches_this_cluster_and_no_other(shop: Kilter) -> None:
    assert shop.run("kubectl", "--", "config", "get-contexts", "-o", "name").out.split() == [f"kind-kilter-{NAME}"]
    assert f"namespace/{NAMESPACE}" in shop.run("kubectl", "get", "namespace", "-o", "name").out
    shop.run("kubectl", "--", "--context", "production", "get", "pods", code=5)


@pytest.mark.requirement("CT-38", "CT-39", "CT-Q39", "CT-Q40", "CT-Q27", "CT-27")
def test_render_is_stable_and_mends_drift(shop: Kilter) -> None:
    assert shop.run("render", "--check").out == ""
    tiltfile = shop.home / ".cache" / "kilter" / NAME / "Tiltfile"
    text = tiltfile.read_text()
    tiltfile.write_text(text + "# drift\n")
    assert "Tiltfile" in shop.run("render", "--check", code=1).out
    assert "Tiltfile" in shop.run("render").err
    assert tiltfile.read_text() == text


@pytest.mark.requirement("CT-17", "CT-Q37", "NS-Q26")
def test_a_changed_variable_reaches_the_app_by_up_again(shop: Kilter) -> None:
    file = shop.directory / "kilter.yaml"
    file.write_text(file.read_text() + "\nenv:\n  SHOP_COLOUR: green\n")
    shop.run("up")
    assert shop.run("kubectl", "--", "exec", f"deploy/{NAME}", "--", "printenv", "SHOP_COLOUR").out.strip() == "green"


@pytest.mark.requirement("Y2", "Y15")
def test_a_typo_in_the_file_is_named_with_its_place_and_changes_nothing(shop: Kilter) -> None:
    file = shop.directory / "kilter.yaml"
    good = file.read_text()
    file.write_text(good.replace("processes:", "procesess:"))
    wrong = shop.run("up", code=2)
    file.write_text(good)
    assert "procesess" in wrong.err
    assert "did you mean 'processes'?" in wrong.err
    assert shop.json("status")["ready"]


@pytest.mark.requirement("LC-Q22")
def test_a_second_command_is_refused_with_the_holder_named(shop: Kilter) -> None:
    paths = Paths.from_environment(shop.environment)
    first = shop.start("restart", "worker")
    try:
        while (by := holder(paths, NAME)) is None or by.pid != first.pid:
            assert first.poll() is None, "it ended without having held the lock"
            time.sleep(0.02)
        first.send_signal(signal.SIGSTOP)  # so that it holds the lock for as long as the other takes to ask for it
        second = shop.run("down", code=3)
        assert f"process {first.pid}" in second.err
        assert "kilter restart" in second.err
    finally:
        first.send_signal(signal.SIGCONT)
        said = first.communicate(timeout=120)
    assert first.returncode == 0, said
    shop.run("up")


@pytest.mark.requirement("LC-9", "LC-12", "LC-Q5")
def test_down_ends_tilt_alone_and_the_addresses_still_answer(shop: Kilter) -> None:
    assert len(tilt_pids(shop)) == 1
    result = shop.run("down")
    assert "kilter stop" in result.out
    assert tilt_pids(shop) == []
    assert rows(shop, "select 1") == [(1,)]
    assert shop.json("status")["state"] == "down"
    assert "already" in shop.run("down").out


@pytest.mark.requirement("LC-10", "LC-16", "LC-17", "LC-19", "LC-20", "LC-Q13", "LC-Q14", "NS-Q24")
def test_stop_frees_the_cluster_and_up_brings_all_data_back(shop: Kilter) -> None:
    file = shop.directory / "kilter.yaml"
    before, orders = file.read_text(), rows(shop, "select id, status from orders order by id")
    env = shop.run("env").out
    shop.run("stop")
    assert docker("inspect", "--format", "{{.State.Running}}", NODE).strip() == "false"
    assert yaml.safe_load(file.read_text())["cluster"] == {"stopped": True}
    assert shop.run("env").out == env
    assert shop.json("status")["state"] == "stopped"
    assert "already" in shop.run("stop").out
    container = docker("inspect", "--format", "{{.Id}}", NODE)
    shop.run("up")
    assert docker("inspect", "--format", "{{.Id}}", NODE) == container
    assert file.read_text() == before
    assert rows(shop, "select id, status from orders order by id") == orders


@pytest.mark.requirement("LC-Q19", "LC-23", "LC-24", "LC-22", "LC-Q8")
def test_a_container_killed_outside_is_resumed_with_its_data(shop: Kilter) -> None:
    orders = rows(shop, "select count(*) from orders")
    docker("kill", NODE)
    assert "stopped" not in (shop.directory / "kilter.yaml").read_text()
    shop.run("up")
    assert rows(shop, "select count(*) from orders") == orders


@pytest.mark.requirement("LC-Q19", "LC-Q21")
def test_a_cluster_removed_outside_is_made_anew_on_request_with_its_data(shop: Kilter) -> None:
    orders = rows(shop, "select id, status from orders order by id")
    docker("rm", "--force", "--volumes", NODE)
    refused = shop.run("up", code=10)
    assert "removed outside kilter" in refused.err
    assert "--recreate" in refused.err
    shop.run("up", "--recreate", "--timeout", "6m")
    assert rows(shop, "select id, status from orders order by id") == orders


def test_a_dead_tilt_is_noticed(shop: Kilter) -> None:
    [pid] = tilt_pids(shop)
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    assert shop.json("status")["state"] == "down"
    shop.run("up")
    assert shop.json("status")["state"] == "up"


@pytest.mark.requirement("NS-10", "NS-Q10", "C11", "NS-Q11")
def test_the_users_kubeconfig_is_untouched_and_ours_is_private(shop: Kilter) -> None:
    user = shop.home / ".kube" / "config"
    assert hashlib.sha256(user.read_bytes()).hexdigest() == hashlib.sha256(b"# the user's own\n").hexdigest()
    assert [path.name for path in (shop.home / ".kube").iterdir()] == ["config"]
    ours = shop.home / ".cache" / "kilter" / NAME / "kubeconfig"
    assert ours.stat().st_mode & 0o777 == 0o600
    ours.unlink()
    shop.run("kubectl", "--", "get", "nodes")
    assert ours.exists()


@pytest.mark.requirement("NS-Q17", "NS-21")
def test_ports_are_bound_on_the_loopback_alone(shop: Kilter) -> None:
    published = docker("port", NODE).splitlines()
    assert published
    assert all(line.split(" -> ")[1].startswith(("127.0.0.1:", "[::1]:")) for line in published)


@pytest.mark.requirement("NS-Q17")
def test_the_app_answers_at_every_address_of_localhost(shop: Kilter) -> None:
    """Browsers take `localhost` for `::1` where there is IPv6, and do not ask again elsewhere after a reset."""
    port = int(app_address(shop).rpartition(":")[2])
    addresses = ["127.0.0.1", *(["::1"] if has_ipv6() else [])]
    for address in addresses:
        connection = http.client.HTTPConnection(address, port, timeout=10)
        connection.request("GET", "/greeting")
        assert connection.getresponse().status == 200, address
        connection.close()


@pytest.mark.requirement("LC-11", "LC-Q9", "LC-Q10", "LC-15", "C17")
def test_destroy_asks_for_consent_and_then_leaves_nothing(shop: Kilter) -> None:
    refused = shop.run("destroy", "--yes", code=2)
    assert "--no-snapshot" in refused.err
    shop.run("destroy", "--no-snapshot", code=2)
    assert rows(shop, "select 1") == [(1,)]
    ports = shop.run("env").out
    shop.run("destroy", "--yes", "--no-snapshot")
    assert docker("ps", "--all", "--quiet", "--filter", f"name={NODE}") == ""
    assert not (shop.home / ".cache" / "kilter" / NAME).exists()
    assert shop.run("env").out == ports
    assert "already" in shop.run("destroy", "--yes").out
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(ports.rsplit("localhost:", 1)[1].split("/")[0]))) != 0


def tilt_pids(shop: Kilter) -> list[int]:
    """The pids of Tilts that run for this HOME."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0].endswith(b"/tilt") and str(shop.home).encode() in b" ".join(words):
            found.append(int(folder.name))
    return found


def test_docker_is_the_only_thing_that_up_needs(shop: Kilter) -> None:
    """On a PATH with docker alone, kilter says what is wrong with nothing but its own words."""
    no_docker = Kilter(shop.directory, shop.home, extra={"PATH": "/nonexistent"})
    result = no_docker.run("up", code=4)
    assert "Docker is not installed" in result.err
    assert "Traceback" not in result.err
