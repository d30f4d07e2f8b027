"""A platform from nothing to nothing, on a real cluster: installed, deployed to, broken, mended, emptied, removed.

The tests run in this order, as an administrator and a developer who has a URL, a token and Docker.
"""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial

import pytest
from harness import stored
from harness.cli import docker
from harness.faults import away, race, second, suspended
from harness.leaver import Leaver, leaver, residue
from harness.portal import SCREENSHOTS, portal
from harness.reach import one, opened, outside, ports, reached, service, stranger
from harness.trial import IMAGE, SYSTEM, Client, Trial, eventually, trial

from kilter.clusters.node import node_name
from kilter.platform.target import LOCAL

pytestmark = pytest.mark.cluster
SHOP, SPACE = ("--project", "acme/shop", "--env", "prod"), "acme-shop-prod"
HOST, DEV_HOST = "shop.localhost", "shop-dev.localhost"
DEV, DEV_SPACE = ("--project", "acme/shop", "--env", "dev"), "acme-shop-dev"
GREETING = "Welcome to the shop"
BROKEN = """\nCMD ["python", "-c", "raise SystemExit('no such setting: PAYMENT_KEY')"]\n"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with trial(tmp_path_factory.mktemp("platform")) as made:
        yield made


def replace(here: Trial, old: str, new: str) -> None:
    file = here.developer.directory / "shop/greeting.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def release_at(here: Trial, host: str = HOST) -> str:
    return here.ask(host)[1]


@pytest.mark.requirement("DP-1", "DP-Q12")
def test_one_command_makes_a_platform_and_tells_the_first_token_once(here: Trial) -> None:
    installed = here.admin.run("platform", "install", "--local", "--image", IMAGE, "--timeout", "6m")
    here.server = re.findall(r"answers at (\S+)", installed.out)[0]
    here.token = re.findall(r"token +(kilter_\S+)", installed.out)[0]
    found = here.admin.json("platform", "status", "--local")
    assert (found["ready"], found["server"], found["revision"]) == (True, here.server, 1)
    assert (found["repository"]["reachable"], found["repository"]["writable"]) == (True, True)
    name = found["parts"][0]["image"]
    assert name.startswith("localhost:32760/kilter/platform:")
    assert not docker("image", "ls", "--quiet", name), "a name stayed in Docker's store"
    assert {part["name"] for part in found["parts"]} >= {"kilter-server", "kilter-operator", "kilter-git", "traefik"}


def test_installing_again_changes_nothing_and_tells_no_token(here: Trial) -> None:
    def pods() -> set[str]:
        return {pod["metadata"]["uid"] for pod in here.objects("pods") if pod["metadata"]["namespace"] == SYSTEM}

    before = pods()
    again = here.admin.run("platform", "install", "--local", "--image", IMAGE)
    assert "kilter_" not in again.out + again.err
    assert pods() == before


def test_every_program_runs_without_root_on_a_file_system_that_it_cannot_write(here: Trial) -> None:
    for pod in (pod for pod in here.objects("pods") if pod["metadata"]["namespace"] == SYSTEM):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True, pod["metadata"]["name"]
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, pod["metadata"]["name"]


@pytest.mark.requirement("DP-Q8")
def test_a_developer_gets_in_with_a_token_of_the_administrators(here: Trial) -> None:
    create = ("platform", "token", "create", "--local", "--actor", "mia", "--role", "maintainer", "--project", "acme/*")
    token = here.admin.run(*create).out.strip()
    here.developer.run("login", "--server", here.server, "--token", "-", stdin=token + "\n")
    assert here.developer.json("whoami")["actor"] == "mia"
    here.developer.run("login", "--server", here.server, "--token", "-", stdin="kilter_x\n", code=5)


@pytest.mark.requirement("DP-8", "DP-9", "DP-10", "DP-21", "DP-57", "DP-Q11")
def test_a_deploy_ends_when_the_new_release_answers_at_its_address(here: Trial) -> None:
    result = here.developer.run("deploy", *SHOP, "--timeout", "4m")
    assert result.out.strip() == f"http://{HOST}:{here.port}"
    assert "answers there (200 OK)" in result.err
    status, release, body = here.ask(HOST)
    assert (status, GREETING in body) == (200, True)
    assert release == here.developer.json("releases", *SHOP)["deploys"][0]["deploy_id"]


def test_the_app_has_its_database_its_services_and_its_worker(here: Trial) -> None:
    placed = json.loads(here.ask(HOST, "/orders", {"item": "green tea", "quantity": 2})[2])
    assert eventually(lambda: json.loads(here.ask(HOST, f"/orders/{placed['id']}")[2])["status"] == "handled")
    assert "acme__shop__prod" in here.sql("SELECT datname FROM pg_database")


@pytest.mark.requirement("SC-8", "DP-18")
def test_nothing_secret_is_in_the_repository_and_everything_else_that_runs_is(here: Trial) -> None:
    tree = here.git("ls-tree", "-r", "--name-only", "main")
    assert f"clusters/default/envs/{SPACE}.yaml" in tree
    assert not [name for name in tree if "secret" in name.lower()]
    text = "\n".join(here.git("log", "--all", "-p"))
    secrets = [each for each in here.objects("secrets") if each["metadata"]["namespace"] in (SPACE, SYSTEM)]
    import base64

    for secret in secrets:
        for key, value in (secret.get("data") or {}).items():
            word = base64.b64decode(value).decode(errors="replace").strip()
            if len(word) >= 16 and key not in ("host", "url"):
                assert word not in text, f"{secret['metadata']['name']}/{key}"


def test_the_portal_shows_the_project_as_a_tile(here: Trial) -> None:
    with portal(here) as page:
        page.get_by_text(f"{HOST}:{here.port}").first.wait_for(timeout=15000)
        page.screenshot(path=SCREENSHOTS / "platform-tiles.png", full_page=True)


@pytest.mark.requirement("DP-Q51", "DP-38")
def test_a_change_goes_live_without_a_failed_request(here: Trial) -> None:
    replace(here, GREETING, "The shop is open")
    with Client(here, HOST) as client:
        here.developer.run("deploy", *SHOP, "--timeout", "4m")
        greetings = ["The shop is open" in here.ask(HOST)[2] for _ in range(30)]
        time.sleep(3)
    assert all(greetings), "a deploy had ended, and an old pod answered"
    assert set(client.answers) == {"200"}
    assert len(client.bodies) == 2
    assert client.answers.total() > 100


@pytest.mark.requirement("DP-Q45", "F31")
def test_a_broken_release_fails_with_its_own_words_while_the_old_one_serves_on(here: Trial) -> None:
    dockerfile = here.developer.directory / "Dockerfile"
    whole = dockerfile.read_text()
    dockerfile.write_text(whole + BROKEN)
    with Client(here, HOST) as client:
        failed = here.developer.run("deploy", *SHOP, "--timeout", "4m", code=10)
    dockerfile.write_text(whole)
    assert "ends again and again" in failed.err
    assert "no such setting: PAYMENT_KEY" in failed.err
    assert set(client.answers) == {"200"}
    newest = here.developer.json("releases", *SHOP)["deploys"][0]
    assert newest["state"] == "failed"
    assert "ends again and again" in json.dumps(newest["failure"])
    (tile,) = here.developer.json("apps")["projects"]
    assert eventually(lambda: here.developer.json("apps")["projects"][0]["envs"][0]["phase"] == "Failed"), tile
    told = here.developer.run("status", *SHOP, code=10)
    assert "ends again and again" in told.out
    with portal(here) as page:
        page.get_by_text("prod").first.click()
        page.get_by_text("ends again and again").first.wait_for(timeout=15000)
        page.screenshot(path=SCREENSHOTS / "platform-failed.png", full_page=True)


def left(client: "subprocess.Popen[str]") -> list[str]:
    """Interrupt a deploy once it is accepted; returns the words with which it is followed again."""
    assert client.stderr is not None
    for line in client.stderr:
        if "accepted as" in line:
            break
    client.send_signal(signal.SIGINT)
    told = client.communicate(timeout=30)[1]
    assert client.returncode == 130
    assert "the deploy goes on" in told
    (way_back,) = re.findall(r"next: `kilter (deploy --follow dep-\S+)` follows it again", told)
    return list(way_back.split())


def told(here: Trial) -> str:
    """Return everything that the operator says of every environment."""
    return json.dumps([each.get("status") for each in here.objects("kilterapps")])


@pytest.mark.requirement("F23", "F26", "F33", "DP-Q41", "DP-Q45")
def test_an_accepted_deploy_survives_its_client_and_waits_for_whatever_is_away(here: Trial) -> None:
    replace(here, "The shop is open", "Survived")
    before = belongings(here, SPACE)
    with suspended(here, SPACE) as resume:
        way_back = left(here.developer.start("deploy", *SHOP, "--timeout", "4m"))
        here.kubectl(
            "delete", "pods", "--namespace", SYSTEM, "--now", "--selector",
            "app.kubernetes.io/name in (kilter-server, kilter-operator)",
        )  # fmt: skip
        assert eventually(lambda: f"waiting for Flux: Kustomization {SPACE} is suspended since " in told(here), 60)
        assert belongings(here, SPACE) == before, "something was applied past Flux"
        with away(here, "kilter-registry"):
            resume()
            assert eventually(lambda: "the node could not pull the image of app, and tries again: " in told(here))
    assert eventually(lambda: "Survived" in here.ask(HOST)[2], 120)
    assert eventually(lambda: here.developer.run("apps", code=None).code == 0, 60)
    followed = here.developer.run(*way_back, "--timeout", "4m")
    assert followed.out.strip() == f"http://{HOST}:{here.port}"
    assert "answers there (200 OK)" in followed.err
    newest = here.developer.json("releases", *SHOP)["deploys"][0]
    assert (newest["state"], newest["deploy_id"]) == ("done", way_back[-1])


@pytest.mark.requirement("DP-16", "DP-19")
def test_the_app_runs_on_and_flux_keeps_applying_without_operator_and_server(here: Trial) -> None:
    def services() -> set[str]:
        found = [each["metadata"] for each in here.objects("services", "--field-selector=metadata.name=shop")]
        return {each["uid"] for each in found if each["namespace"] == SPACE}

    before = services()
    with away(here, "kilter-operator"), away(here, "kilter-server"):
        here.kubectl("delete", "service", "shop", "--namespace", SPACE)
        poke = f"reconcile.fluxcd.io/requestedAt={time.time()}"
        here.kubectl("annotate", "kustomization", SPACE, "--namespace", SYSTEM, "--overwrite", poke)
        # Without its Service the app goes on answering for a moment.
        assert eventually(lambda: bool(services() - before)), "Flux did not make it again"
        assert eventually(lambda: here.ask(HOST)[0] == 200, 60)
    assert eventually(lambda: here.developer.run("apps", code=None).code == 0, 60)


def belongings(here: Trial, space: str) -> dict[tuple[str, str], tuple[object, ...]]:
    """What an environment has in its namespace, with what a deploy would change; how many pods there are, load does."""
    kinds = "namespaces,deployments,statefulsets,services,secrets,httproutes,networkpolicies"
    return {
        (item["kind"], meta["name"]): (meta["uid"], spec.get("template"), spec.get("rules"), item.get("data"))
        for item, meta, spec in ((each, each["metadata"], each.get("spec") or {}) for each in here.objects(kinds))
        if meta.get("namespace", meta["name"]) == space
    }


@pytest.mark.requirement("DP-24", "DP-25", "DP-26", "DP-27", "DP-30", "DP-49")
def test_a_second_environment_has_everything_of_its_own_and_leaves_the_first_as_it_is(here: Trial) -> None:
    before, rows = belongings(here, SPACE), here.ask(HOST, "/orders")
    replace(here, "Survived", "Second")
    here.developer.run("deploy", *DEV, "--timeout", "4m")
    assert here.ask(DEV_HOST)[0] == 200
    assert release_at(here, DEV_HOST) != release_at(here)
    assert json.loads(here.ask(DEV_HOST, "/orders")[2]) == []
    assert len(before) > 6
    assert (belongings(here, SPACE), here.ask(HOST, "/orders")) == (before, rows)
    assert not {job["metadata"]["namespace"] for job in here.objects("jobs")} & {SPACE, DEV_SPACE}


@pytest.mark.requirement("PP-44", "PP-47", "PP-51", "PP-52", "PP-Q25")
def test_an_app_reaches_what_is_its_own_and_the_internet_and_nothing_else(here: Trial) -> None:
    beyond = outside(node_name(LOCAL))
    own = ports(here, SPACE) | service("shop", SPACE, 8000) | service("redis", SPACE, 6379)
    own |= service("kilter-postgres", SYSTEM, 5432) | service("kube-dns", "kube-system", 53)
    own |= {"internet": beyond.pop("internet")}
    others = ports(here, DEV_SPACE) | service("shop", DEV_SPACE, 8000) | service("redis", DEV_SPACE, 6379)
    others |= ports(here, SYSTEM) | ports(here, "kube-system") | service("kubernetes", "default", 443) | beyond
    own |= {name: others.pop(name) for name in (f"{SYSTEM}/kilter-postgres:5432", "kube-system/kube-dns:53")}
    assert len(others) > 18
    for pod in ("deployment/shop", "deployment/shop-worker"):
        assert reached(here, SPACE, pod, own | others) == dict.fromkeys(own, "open") | dict.fromkeys(others, "dropped")
    with opened(here, SPACE, DEV_SPACE, SYSTEM):
        assert eventually(lambda: set(reached(here, SPACE, "deployment/shop", others).values()) == {"open"})


@pytest.mark.requirement("PP-45", "PP-Q23", "DP-Q53")
def test_nothing_but_the_gateway_reaches_an_app_and_no_stranger_the_platform(here: Trial) -> None:
    stranger(here)
    doors = {f"{SYSTEM}/traefik:80", f"{SYSTEM}/metrics-server:10250"}
    places = ports(here, SYSTEM) | ports(here, SPACE) | service("shop", SPACE, 8000)
    expected = {name: "open" if name in doors else "dropped" for name in places}
    seen = partial(reached, here, "default", "pod/stranger", places)  # a new pod, of which not everybody knows at once
    assert eventually(lambda: seen() == expected), seen()
    with opened(here, SPACE, SYSTEM):
        assert eventually(lambda: set(seen().values()) == {"open"}), seen()
    assert eventually(lambda: one(here, DEV_SPACE, "deployment/shop", service("shop", SPACE, 8000)) == "dropped")
    assert here.ask(HOST)[0] == 200


def placed(here: Trial, space: str, name: str) -> set[str]:
    """Which kinds have an object of this name in a namespace."""
    found = {kind: here.objects(kind, f"--field-selector=metadata.name={name}") for kind in ("deployments", "services")}
    return {kind for kind, things in found.items() if space in {thing["metadata"]["namespace"] for thing in things}}


@pytest.mark.requirement("DP-Q61", "DP-50", "DP-51", "DP-52", "DP-53", "DP-54", "DP-55", "DP-56", "DP-Q52")
def test_an_internal_app_is_for_its_own_namespace_until_it_is_public_again(here: Trial) -> None:
    here.ask(DEV_HOST, "/orders", {"item": "oolong", "quantity": 1})
    file, place = here.developer.directory / "kilter.yaml", service("shop", DEV_SPACE, 8000)
    gateways = (SYSTEM, "deployment/kilter-server")  # of the Gateway's namespace, and with a Python in it
    assert one(here, *gateways, place) == "open"
    whole = file.read_text()
    extra = "processes:\n  extra: {command: [python, -m, http.server, '9000'], port: 9000}\n"
    file.write_text(whole.replace("processes:\n", extra) + "\npublic: false\n")
    planned = here.developer.json("deploy", *DEV, "--dry-run")["changes"]
    changed = {(each["kind"], each["name"]): each["change"] for each in planned if each["change"] != "kept"}
    assert changed == {("route", DEV_HOST): "removed", ("process", "extra"): "added"}
    assert f"this deploy removes the route {DEV_HOST}" in here.developer.run("deploy", *DEV, "--timeout", "4m").err
    file.write_text(whole)
    assert placed(here, DEV_SPACE, "shop-extra") == {"deployments", "services"}
    assert eventually(lambda: here.ask(DEV_HOST)[0] == 404)
    assert eventually(lambda: one(here, DEV_SPACE, "deployment/shop-worker", place) == "open")
    refused = (gateways, ("default", "pod/stranger"), (SPACE, "deployment/shop"))
    assert eventually(lambda: [one(here, *each, place) for each in refused] == ["dropped"] * 3)
    assert "this deploy removes the process extra" in here.developer.run("deploy", *DEV, "--timeout", "4m").err
    assert [order["item"] for order in json.loads(here.ask(DEV_HOST, "/orders")[2])] == ["oolong"]
    assert placed(here, DEV_SPACE, "shop-extra") == set(), "a process that left the file was not pruned"
    assert placed(here, DEV_SPACE, "shop") == {"deployments", "services"}


@pytest.mark.requirement("DP-Q57")
def test_whether_network_policies_are_enforced_is_found_out_and_told(here: Trial) -> None:
    def status() -> object:
        return here.admin.json("platform", "status", "--local")["networkPolicyEnforced"]

    def doctor() -> str:
        checks = json.loads(here.developer.run("doctor", "--json", code=None).out)["checks"]
        return next((check["status"] for check in checks if check["id"] == "platform.policies"), "")

    assert eventually(lambda: (status(), doctor()) == (True, "pass"))
    with opened(here, SYSTEM):
        assert eventually(lambda: status() is False)
        here.kubectl("rollout", "restart", "--namespace", SYSTEM, "deployment/kilter-server")
        here.kubectl("rollout", "status", "--namespace", SYSTEM, "deployment/kilter-server", "--timeout=120s")
        assert eventually(lambda: doctor() == "warning")
        with portal(here) as page:
            page.get_by_text("this cluster enforces no network policies").wait_for(timeout=15000)
    assert eventually(lambda: status() is True)
    assert eventually(lambda: doctor() == "pass", 90), "the server tries again by itself"


@pytest.fixture(scope="module")
def gone(here: Trial) -> Iterator[Leaver]:
    with leaver(here, *SHOP) as found:
        yield found


@pytest.mark.requirement("DP-Q25", "F27", "F37")
def test_a_deleted_environment_leaves_nothing_and_its_neighbours_alone(here: Trial, gone: Leaver) -> None:
    with Client(here, HOST) as client, second(here, "kilter-server"):
        other = gone.kilter.start("env", "delete", "dev", "--project", "acme/gone", "--yes", "--timeout", "3m")
        answers = race(here, "/v1/projects/acme/shop/envs/dev", {"confirm": "acme/shop/dev"})
    (accepted,) = [said for code, said in answers if code == 202]
    assert answers == {(202, accepted): 1, (409, "busy"): 15}
    assert set(client.answers) == {"200"}
    with Client(here, HOST) as client:
        here.developer.run("deploy", "--follow", accepted, "--timeout", "3m")
        said = other.communicate(timeout=180)
    assert other.returncode == 0, said
    assert set(client.answers) == {"200"}
    assert eventually(lambda: residue(here, "dev") == residue(here, "dev", app="gone") == [], 120)
    assert eventually(lambda: here.ask(DEV_HOST)[0] == 404)


@pytest.mark.requirement("DP-Q25")
def test_a_database_that_was_left_behind_goes_when_its_days_are_over(here: Trial, gone: Leaver) -> None:
    del gone  # its environment has been deleted, and leaves what one does that keeps its database
    name, said = "acme__gone__dev", "IS 'kilter:default:acme/gone/dev'"
    for statement in (
        f"CREATE ROLE {name}_owner NOLOGIN",
        f"COMMENT ON ROLE {name}_owner {said}",
        f"CREATE ROLE {name}_app NOLOGIN VALID UNTIL 'yesterday'",
        f"COMMENT ON ROLE {name}_app {said}",
        f"CREATE DATABASE {name} OWNER {name}_owner",
    ):
        here.sql(statement)
    assert len(residue(here, "dev", app="gone")) == 3
    here.kubectl("delete", "pods", "--namespace", SYSTEM, "--selector=app.kubernetes.io/name=kilter-operator")
    assert eventually(lambda: residue(here, "dev", app="gone") == [])
    assert [each for each in here.sql("SELECT datname FROM pg_database") if each.startswith("acme")] == [
        "acme__shop__prod"
    ]


@pytest.mark.requirement("DP-Q25", "F37")
def test_the_registry_gives_back_what_nobody_needs_any_more_and_no_more_than_that(here: Trial, gone: Leaver) -> None:
    kept = stored.deployed(here, *SHOP)
    assert eventually(lambda: stored.images(here, "acme/shop") | stored.images(here, "acme/gone") <= kept, 30)
    assert gone.own & stored.blobs(here)
    with Client(here, HOST) as client:
        here.kubectl("create", "job", "--namespace", SYSTEM, "--from=cronjob/kilter-registry-upkeep", "upkeep")
        here.kubectl("wait", "--namespace", SYSTEM, "--for=condition=complete", "job/upkeep", "--timeout=120s")
    assert set(client.answers) == {"200"}
    assert stored.repositories(here) == {"acme/shop"}
    assert stored.blobs(here) == stored.Puller(here, "acme/shop").parts(*kept)
    stored.Puller(here, "acme/shop").pull(*kept)


def test_the_trial_platform_goes_as_a_whole(here: Trial) -> None:
    asked = here.admin.run("platform", "uninstall", "--local", code=2)
    assert "acme/shop/prod" in asked.err
    here.admin.run("platform", "uninstall", "--local", "--yes")
    here.admin.run("platform", "status", "--local", code=6)
