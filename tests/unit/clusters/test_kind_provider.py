import json
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from fakes import Answer, FakeRunner

from kilter.clusters import kubeconfig, kubelet, ports
from kilter.clusters.kind import CUT_OFF_GRACE, KindProvider
from kilter.clusters.node import creation_mark, engine_file, node_name, stopping_mark
from kilter.clusters.provider import ApiPortTaken, BeyondRepair, State, StaysUnready
from kilter.errors import Busy, Failed, MachineLacks, NotFound, NotReady, TimedOut
from kilter.proc import Command, Outcome, late
from kilter.render import cluster
from kilter.state.files import write_whole
from kilter.state.paths import Paths
from kilter.tools import docker, kind

from .test_kubeconfig import ADMIN

IMAGE = "kindest/node:v1.37.0"
INSPECT = docker.inspect(node_name("shop")).argv
ABSENT = Outcome(1, "[]\n", "Error response from daemon: No such container: kilter-shop-control-plane")
READY = docker.execute(
    node_name("shop"),
    "kubectl",
    "--kubeconfig",
    kubeconfig.ADMIN_FILE,
    "get",
    "--raw",
    "/readyz",
    "--request-timeout=3s",
).argv
READ = docker.execute("abc", "cat", kubeconfig.ADMIN_FILE).argv
POLICY = docker.restart_policy("abc", "unless-stopped").argv
CONFIG = "containerPath: /kilter"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "cache")


@pytest.fixture(autouse=True)
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port: True)


@pytest.fixture
def node(paths: Paths) -> Callable[..., str]:
    """What `docker inspect` says of the project's node."""

    def described(status: str = "running", source: str = "", label: str = "kilter-shop", project: str = "shop") -> str:
        entry: dict[str, Any] = {
            "Id": "abc",
            "Name": f"/{node_name(project)}",
            "Image": "sha256:1",
            "Config": {"Image": IMAGE, "Labels": {docker.KIND_LABEL: label}},
            "State": {"Status": status},
            "Mounts": [
                {"Type": "bind", "Source": source or str(paths.identity(project)), "Destination": "/kilter"},
                {"Type": "bind", "Source": str(paths.volumes(project)), "Destination": "/var/local-path-provisioner"},
            ],
            "NetworkSettings": {"Ports": {"6443/tcp": [{"HostPort": "35599"}], "30001/tcp": [{"HostPort": "30001"}]}},
        }
        return json.dumps([entry])

    return described


ASK_ENGINE = docker.info().argv
MAKE_NETWORK = docker.create_network("kilter", {"kilter.dev/role": "network"}).argv


def create_command(paths: Paths) -> tuple[str, ...]:
    scratch = paths.project_data("shop") / "kubeconfig.kind"
    return kind.create("/bin/kind", "kilter-shop", config=CONFIG, kubeconfig=scratch, image=IMAGE).argv


def provider(runner: FakeRunner, paths: Paths, **environment: str) -> KindProvider:
    runner.answers = {MAKE_NETWORK: "id", ASK_ENGINE: '{"ID": "here"}', **runner.answers}
    return KindProvider(runner, paths, lambda: Path("/bin/kind"), environment)


@pytest.mark.requirement("LC-Q19", "LC-Q13")
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("running", State.RUNNING),
        ("restarting", State.RUNNING),
        ("exited", State.STOPPED),
        ("created", State.STOPPED),
        ("paused", State.STOPPED),
        ("dead", State.DEAD),
        ("something new", State.DEAD),
    ],
)
def test_the_container_alone_decides_on_the_state(
    paths: Paths, node: Callable[..., str], status: str, state: State
) -> None:
    found = provider(FakeRunner({INSPECT: node(status)}), paths).find("shop")
    assert found.state is state
    assert found.ports == (30001, 35599)
    assert found.image == IMAGE


def test_no_container_is_an_absent_cluster(paths: Paths) -> None:
    found = provider(FakeRunner({INSPECT: ABSENT}), paths).find("shop")
    assert (found.state, found.container, found.ports, found.image) == (State.ABSENT, None, (), "")


@pytest.mark.requirement("NS-Q3", "NS-Q2", "C4")
@pytest.mark.parametrize("changes", [{"source": "/somewhere/else"}, {"label": "kilter-other"}, {"label": ""}])
def test_a_cluster_without_this_projects_mark_is_foreign_and_no_verb_touches_it(
    paths: Paths, node: Callable[..., str], changes: dict[str, str]
) -> None:
    runner = FakeRunner({INSPECT: node(**changes)})
    mine = provider(runner, paths)
    assert mine.find("shop").state is State.FOREIGN
    for attempt in (
        lambda: mine.create("shop", CONFIG, IMAGE),
        lambda: mine.start("shop", 1),
        lambda: mine.stop("shop", 1),
        lambda: mine.delete("shop"),
        lambda: mine.discard("shop", 1),
        lambda: mine.kubeconfig("shop"),
    ):
        with pytest.raises(Busy, match="is not this project's"):
            attempt()
    assert {command.argv for command in runner.commands} == {INSPECT}


@pytest.mark.requirement("NS-Q3")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/home/me/other/kilter/shop/identity", "run kilter with XDG_DATA_HOME=/home/me/other"),
        ("/host_mnt/home/me/other/kilter/shop/identity", "run kilter with XDG_DATA_HOME=/home/me/other"),
        (
            "/home/me/snap/code/1/share/kilter/shop/identity",
            "after `ln -s /home/me/snap/code/1/share ~/shop-data` run kilter with XDG_DATA_HOME=~/shop-data",
        ),
        ("/home/me/kilter/blog/identity", "or remove the container yourself"),
        ("/elsewhere", "or remove the container yourself"),
    ],
)
def test_a_cluster_of_another_data_folder_says_how_to_reach_it(
    source: str, said: str, paths: Paths, node: Callable[..., str]
) -> None:
    with pytest.raises(Busy, match="is not this project's") as caught:
        provider(FakeRunner({INSPECT: node(source=source)}), paths).stop("shop", 1)
    assert caught.value.why == f"it belongs to the data folder {source}"
    assert caught.value.hint.endswith(said)


@pytest.mark.requirement("NS-Q3")
def test_a_container_that_mounts_a_projects_identity_elsewhere_is_not_its_node(
    paths: Paths, node: Callable[..., str]
) -> None:
    described = node().replace('"Destination": "/kilter"', '"Destination": "/backup"')
    with pytest.raises(Busy, match="is not this project's") as caught:
        provider(FakeRunner({INSPECT: described}), paths).delete("shop")
    assert caught.value.why == "it does not bear kilter's mark"


def test_the_files_of_docker_desktop_are_recognised(paths: Paths, node: Callable[..., str]) -> None:
    source = f"/host_mnt{paths.identity('shop')}"
    assert provider(FakeRunner({INSPECT: node(source=source)}), paths).find("shop").state is State.RUNNING


def row(name: str, mounts: str, label: str = "", state: str = "running") -> str:
    """One container as `docker ps` lists it."""
    labels = f"a=b,{docker.KIND_LABEL}={label or name.removesuffix('-control-plane')}"
    return json.dumps({"ID": f"id of {name}", "Names": name, "State": state, "Labels": labels, "Mounts": mounts})


def listed(paths: Paths, *rows: str) -> list[tuple[str, State, str]]:
    """Return what a provider makes of the rows, which it asks for once."""
    question = docker.list_containers(name="^/?kilter-.*-control-plane$").argv
    runner = FakeRunner({question: "".join(f"{row}\n" for row in rows)})
    found = provider(runner, paths).all()
    assert [command.argv for command in runner.commands] == [question]
    return [(one.project, one.state, one.node) for one in found]


@pytest.mark.requirement("NS-41", "NS-Q28")
def test_all_clusters_are_found_with_one_question(paths: Paths) -> None:
    creation_mark(paths, "cut").parent.mkdir(parents=True)
    creation_mark(paths, "cut").touch()
    rows = [
        row("kilter-shop-control-plane", f"0123,{paths.volumes('shop')},{paths.identity('shop')},/lib/modules"),
        row("kilter-blog-control-plane", str(paths.identity("blog")), state="exited"),
        row("kilter-cut-control-plane", str(paths.identity("cut"))),
    ]
    assert listed(paths, *rows) == [
        ("blog", State.STOPPED, "id of kilter-blog-control-plane"),
        ("cut", State.UNFINISHED, "id of kilter-cut-control-plane"),
        ("shop", State.RUNNING, "id of kilter-shop-control-plane"),
    ]
    assert listed(paths) == []


@pytest.mark.requirement("NS-Q3")
@pytest.mark.parametrize(
    ("mounts", "label"),
    [("{0}", "kilter-other"), ("/x", ""), ("", ""), ("{0}/deeper", ""), ("/x{0}", ""), ("{1}", "")],
)
def test_a_listed_cluster_without_this_projects_mark_is_foreign(mounts: str, label: str, paths: Paths) -> None:
    mounted = mounts.format(paths.identity("shop"), paths.identity("other"))
    [(_, state, _)] = listed(paths, row("kilter-shop-control-plane", mounted, label))
    assert state is State.FOREIGN


@pytest.mark.requirement("NS-Q3")
def test_a_foreign_cluster_is_none_to_be_measured_or_stopped_though_it_runs(paths: Paths) -> None:
    question = docker.list_containers(name="^/?kilter-.*-control-plane$").argv
    runner = FakeRunner({question: row("kilter-shop-control-plane", "/x")})
    [found] = provider(runner, paths).all()
    assert (found.state, found.runs, found.holds) == (State.FOREIGN, False, False)


def test_a_mark_is_recognised_in_a_folder_with_commas_and_as_docker_desktop_shows_it(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "a,b" / "data", tmp_path / "cache")
    for source in (f"v,{paths.identity('shop')},w", f"v,/host_mnt{paths.identity('shop')}"):
        [(_, state, _)] = listed(paths, row("kilter-shop-control-plane", source))
        assert state is State.RUNNING


@pytest.mark.requirement("LC-8", "LC-Q20", "LC-Q21")
def test_creating_makes_the_mounted_folders_first_and_ends_with_the_kubeconfig(
    paths: Paths, node: Callable[..., str]
) -> None:
    runner = FakeRunner({INSPECT: [ABSENT, node()], create_command(paths): "", POLICY: "", READ: ADMIN})
    scratch = paths.project_data("shop") / "kubeconfig.kind"
    write_whole(scratch, "as kind writes it")
    made = provider(runner, paths).create("shop", CONFIG, IMAGE)
    assert made.state is State.RUNNING
    assert not scratch.exists(), "it holds the credentials, and nobody looks after it"
    assert paths.volumes("shop").stat().st_mode & 0o777 == 0o700, "databases lie in it"
    assert paths.cluster_mark("shop").read_text() == "shop\n"
    assert (paths.identity("shop") / cluster.KUBELET_UNIT).read_text() == kubelet.UNIT
    assert paths.kubeconfig("shop").exists()
    assert not creation_mark(paths, "shop").exists()
    asked = [command.argv for command in runner.commands]
    assert POLICY in asked
    assert asked.index(MAKE_NETWORK) < asked.index(create_command(paths))
    [creation] = [command for command in runner.commands if command.argv == create_command(paths)]
    assert creation.trace == creation_mark(paths, "shop"), "by which who comes after a killed kilter ends it"


def test_a_node_behind_a_proxy_asks_the_registry_and_the_caches_without_it(
    paths: Paths, node: Callable[..., str]
) -> None:
    runner = FakeRunner({INSPECT: [ABSENT, node()], create_command(paths): "", POLICY: "", READ: ADMIN})
    provider(runner, paths, HTTP_PROXY="http://proxy:3128", NO_PROXY="localhost").create("shop", CONFIG, IMAGE)
    [creation] = [command for command in runner.commands if command.argv == create_command(paths)]
    excepted = "localhost,kilter-registry,kilter-cache-docker.io"
    assert (creation.env["NO_PROXY"], creation.env["no_proxy"]) == (excepted, excepted)
    assert "HTTP_PROXY" not in creation.env, "kind has it from kilter's own environment"


def test_what_is_refused_before_kube_proxy_knows_it_is_what_kubeadm_gives_the_api_server_and_dns() -> None:
    """The first and the tenth address of the subnet: `GetKubernetesServiceIP` and `GetDNSIP` of kubeadm."""
    subnet = ip_network(cluster.SERVICE_SUBNET)
    assert (str(subnet[1]), str(subnet[10])) == kubelet.ADDRESSES
    assert kubelet.UNIT.count("ExecStartPre=-/bin/sh -c ") == 1
    assert "$to" not in kubelet.UNIT.replace("$$to", "")  # a single dollar is systemd's own


def test_the_file_of_a_node_is_there_before_it_starts_also_where_docker_made_a_folder_of_it(paths: Paths) -> None:
    file = paths.identity("shop") / kubelet.FILE
    file.mkdir(parents=True)
    kubelet.write_unit(paths, "shop")
    assert file.read_text() == kubelet.UNIT


@pytest.mark.requirement("LC-Q22")
def test_a_failed_creation_removes_what_it_left_and_keeps_the_nodes_last_words(
    paths: Paths, node: Callable[..., str]
) -> None:
    said = "ERROR: failed to create cluster\nBind for 127.0.0.1:30001 failed: port is already allocated."
    runner = FakeRunner(
        {
            INSPECT: [ABSENT, node("created")],
            create_command(paths): Outcome(1, "", said),
            docker.logs("abc", 30).argv: Outcome(0, "systemd said this\n"),
            docker.remove("abc").argv: "",
        }
    )
    with pytest.raises(MachineLacks, match="another program holds one of the project's ports") as caught:
        provider(runner, paths).create("shop", CONFIG, IMAGE)
    assert "systemd said this" in caught.value.details
    assert said.splitlines()[1] in caught.value.details
    assert runner.commands[-1].argv == docker.remove("abc").argv
    assert not creation_mark(paths, "shop").exists()
    assert not paths.cluster_mark("shop").exists()


@pytest.mark.requirement("LC-Q22", "NS-Q3")
def test_a_failed_creation_does_not_remove_what_somebody_else_made_meanwhile(
    paths: Paths, node: Callable[..., str]
) -> None:
    runner = FakeRunner({INSPECT: [ABSENT, node(source="/x")], create_command(paths): Outcome(1, "", "unforeseen")})
    with pytest.raises(Failed) as caught:
        provider(runner, paths).create("shop", CONFIG, IMAGE)
    assert "unforeseen" in caught.value.details
    assert runner.commands[-1].argv == INSPECT


@pytest.mark.requirement("LC-Q22")
def test_an_interrupted_creation_is_undone(paths: Paths, node: Callable[..., str]) -> None:
    class Interrupted(FakeRunner):
        def run(self, command: Command) -> Outcome:
            outcome = super().run(command)
            if command.argv == create_command(paths):
                raise KeyboardInterrupt
            return outcome

    runner = Interrupted(
        {
            INSPECT: [ABSENT, node()],
            create_command(paths): "",
            docker.logs("abc", 30).argv: "",
            docker.remove("abc").argv: "",
        }
    )
    with pytest.raises(KeyboardInterrupt):
        provider(runner, paths).create("shop", CONFIG, IMAGE)
    assert runner.commands[-1].argv == docker.remove("abc").argv


@pytest.mark.requirement("LC-Q22", "F1", "F4")
@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_node_that_the_engine_makes_after_its_creation_was_given_up_is_a_rest_of_it(
    is_deleted: bool, paths: Paths, node: Callable[..., str]
) -> None:
    """An engine goes on with what it was asked for, whoever asked it is gone by then."""

    class Interrupted(FakeRunner):
        def run(self, command: Command) -> Outcome:
            outcome = super().run(command)
            if command.argv == create_command(paths):
                raise KeyboardInterrupt
            return outcome

    runner = Interrupted({INSPECT: [ABSENT, ABSENT, ABSENT], create_command(paths): ""})
    with pytest.raises(KeyboardInterrupt):
        provider(runner, paths).create("shop", CONFIG, IMAGE)
    if is_deleted:
        assert provider(runner, paths).delete("shop") is False
    assert not paths.cluster_mark("shop").exists()
    late = provider(FakeRunner({INSPECT: node("created")}), paths).find("shop")
    assert (late.state, late.exists) == (State.UNFINISHED, False)


@pytest.mark.requirement("LC-Q22")
def test_an_engine_that_dies_during_a_creation_leaves_the_mark_for_the_next_one(
    paths: Paths, node: Callable[..., str]
) -> None:
    down = Outcome(1, "", "Cannot connect to the Docker daemon")
    runner = FakeRunner({INSPECT: [ABSENT, down], create_command(paths): Outcome(1, "", "EOF")})
    with pytest.raises(Failed):
        provider(runner, paths).create("shop", CONFIG, IMAGE)
    assert creation_mark(paths, "shop").exists()
    again = FakeRunner(
        {
            INSPECT: [node(), node(), node()],
            docker.logs("abc", 30).argv: "",
            docker.remove("abc").argv: "",
            create_command(paths): "",
            POLICY: "",
            READ: ADMIN,
        }
    )
    assert provider(again, paths).find("shop").state is State.UNFINISHED
    again.answers = {**again.answers, INSPECT: [node(), node(), node()]}
    assert provider(again, paths).create("shop", CONFIG, IMAGE).state is State.RUNNING
    asked = [command.argv for command in again.commands]
    assert asked.index(docker.remove("abc").argv) < asked.index(create_command(paths)), "kind refuses a second node"
    assert not creation_mark(paths, "shop").exists()


@pytest.mark.requirement("LC-Q22")
def test_what_a_creation_that_was_cut_off_left_is_made_anew_and_never_started(
    paths: Paths, node: Callable[..., str]
) -> None:
    write_whole(creation_mark(paths, "shop"), "")
    runner = FakeRunner({INSPECT: node("exited")})
    with pytest.raises(NotReady, match="was never finished") as caught:
        provider(runner, paths).start("shop", 60)
    assert "`kilter up` makes it anew" in caught.value.hint
    assert docker.start("abc").argv not in [command.argv for command in runner.commands]


@pytest.mark.requirement("LC-Q22", "C4")
def test_a_creation_that_was_cut_off_on_another_engine_says_nothing_of_the_cluster_on_this_one(
    paths: Paths, node: Callable[..., str]
) -> None:
    write_whole(engine_file(paths, "shop"), "there\n")
    write_whole(creation_mark(paths, "shop"), "")
    here = FakeRunner({INSPECT: node()})
    assert provider(here, paths).find("shop").state is State.RUNNING
    with pytest.raises(Busy, match="has a cluster already"):
        provider(here, paths).create("shop", CONFIG, IMAGE)
    there = FakeRunner({INSPECT: node(), ASK_ENGINE: '{"ID": "there"}'})
    assert provider(there, paths).find("shop").state is State.UNFINISHED
    nameless = FakeRunner({INSPECT: node(), ASK_ENGINE: "{}"})
    assert provider(nameless, paths).find("shop").state is State.UNFINISHED, "it may be the one"
    engine_file(paths, "shop").unlink()
    assert provider(here, paths).find("shop").state is State.UNFINISHED, "as by a mark of an older kilter"


def test_an_engine_is_asked_for_its_name_only_after_a_creation_that_was_cut_off(
    paths: Paths, node: Callable[..., str]
) -> None:
    write_whole(engine_file(paths, "shop"), "here\n")
    runner = FakeRunner({INSPECT: node()})
    assert provider(runner, paths).find("shop").state is State.RUNNING
    assert [command.argv for command in runner.commands] == [INSPECT]


@pytest.mark.parametrize("noted_before", [False, True])
@pytest.mark.parametrize("named", ['{"ID": "here"}', "{}", ['{"ID": "of here"}', '{"ID": "of there"}']])
def test_a_creation_notes_its_engine_and_forgets_that_of_an_earlier_one(
    named: Any, noted_before: bool, paths: Paths, node: Callable[..., str]
) -> None:
    """Podman has another name each time, which is none."""
    if noted_before:
        write_whole(engine_file(paths, "shop"), "there\n")
    said = named[:]  # the runner takes answers off a list
    answers = {INSPECT: [ABSENT, node()], create_command(paths): "", POLICY: "", READ: ADMIN, ASK_ENGINE: said}
    provider(FakeRunner(answers), paths).create("shop", CONFIG, IMAGE)
    noted = engine_file(paths, "shop")
    assert (noted.read_text() if noted.exists() else "") == ("here\n" if named == '{"ID": "here"}' else "")


def test_a_config_without_the_mark_is_refused_before_anything_runs(paths: Paths) -> None:
    runner = FakeRunner({INSPECT: ABSENT})
    with pytest.raises(Failed, match="does not mount /kilter"):
        provider(runner, paths).create("shop", "kind: Cluster", IMAGE)


@pytest.mark.requirement("LC-17", "LC-18", "LC-Q19")
def test_starting_waits_until_the_api_is_ready(
    paths: Paths, node: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    runner = FakeRunner(
        {
            INSPECT: [node("exited"), node(), node()],
            docker.start("abc").argv: "",
            READY: [Outcome(1, "", "connection refused"), "ok"],
            READ: ADMIN,
        }
    )
    assert provider(runner, paths).start("shop", 60).state is State.RUNNING
    assert [command.argv for command in runner.commands].count(READY) == 2
    assert paths.kubeconfig("shop").exists()
    assert (paths.identity("shop") / kubelet.FILE).read_text() == kubelet.UNIT, "Docker starts no node without it"


@pytest.mark.requirement("LC-Q18")
def test_a_stopped_cluster_whose_api_port_another_program_has_says_who_has_it(
    paths: Paths, node: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Error response from daemon: driver failed: Bind for 127.0.0.1:35599 failed: port is already allocated"
    monkeypatch.setattr(ports, "is_free", lambda port: port != 35599)
    monkeypatch.setattr(ports, "named", lambda _runner, taken: [ports.Holder(port, 7, "vim") for port in taken])
    runner = FakeRunner({INSPECT: node("exited"), docker.start("abc").argv: Outcome(1, "", said)})
    with pytest.raises(ApiPortTaken, match=r"port 35599 is held by vim \(process 7\)") as caught:
        provider(runner, paths).start("shop", 60)
    assert "the API server of kilter-shop needs it" in caught.value.why
    assert "`kilter up --recreate`" in caught.value.hint


def test_a_paused_node_goes_on(paths: Paths, node: Callable[..., str]) -> None:
    runner = FakeRunner({INSPECT: [node("paused"), node()], docker.unpause("abc").argv: "", READY: "ok", READ: ADMIN})
    provider(runner, paths).start("shop", 60)
    told = [command.argv[1] for command in runner.commands]
    assert (told.count("unpause"), told.count("start")) == (1, 0)


@pytest.mark.requirement("LC-Q22")
@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_stop_that_was_cut_off_is_finished_before_the_node_starts_again_and_once(
    status: str, paths: Paths, node: Callable[..., str]
) -> None:
    """Without its kubelet the API server would answer, and no pod come back."""
    stop, start = docker.stop("abc", CUT_OFF_GRACE).argv, docker.start("abc").argv
    answers: dict[tuple[str, ...], Answer] = {
        INSPECT: [node(status), node(), node(), node()],
        docker.unpause("abc").argv: "",
        READY: "ok",
        READ: ADMIN,
    }
    write_whole(stopping_mark(paths, "shop"), "")
    runner = FakeRunner({**answers, stop: "", start: ""})
    for _ in range(2):
        provider(runner, paths).start("shop", 60)
    assert [command.argv for command in runner.commands if command.argv in (stop, start)] == [stop, start]


@pytest.mark.requirement("LC-Q22")
def test_a_stop_that_came_to_its_end_leaves_no_mark(paths: Paths, node: Callable[..., str]) -> None:
    """Who starts the node without kilter has a cluster that works, and `up` is not to end it."""
    write_whole(stopping_mark(paths, "shop"), "")
    assert provider(FakeRunner({INSPECT: node(), docker.stop("abc", 20).argv: ""}), paths).stop("shop", 20)
    assert not stopping_mark(paths, "shop").exists()


@pytest.mark.requirement("LC-Q11")
def test_a_paused_node_goes_on_so_that_it_can_end(paths: Paths, node: Callable[..., str]) -> None:
    """Docker waits for the end of a paused container in vain, and kills it."""
    unpause, stop = docker.unpause("abc").argv, docker.stop("abc", 20).argv
    runner = FakeRunner({INSPECT: node("paused"), unpause: "", stop: ""})
    assert provider(runner, paths).stop("shop", 20)
    assert [command.argv for command in runner.commands][-2:] == [unpause, stop]


@pytest.mark.requirement("LC-Q22", "LC-Q16")
def test_a_start_that_takes_too_long_is_waited_for_on_and_not_begun_anew(
    paths: Paths, node: Callable[..., str]
) -> None:
    write_whole(stopping_mark(paths, "shop"), "")
    start = docker.start("abc").argv
    slow = Outcome(1, "", "connection refused")
    runner = FakeRunner({INSPECT: [node("exited"), *[node()] * 99], start: "", READY: slow})
    with pytest.raises(StaysUnready):
        provider(runner, paths).start("shop", 0.01)
    runner.answers = {**runner.answers, READY: "ok", READ: ADMIN}
    provider(runner, paths).start("shop", 60)
    assert [command.argv for command in runner.commands if command.argv[1] in ("stop", "start")] == [start]


@pytest.mark.requirement("F10")
@pytest.mark.parametrize(
    "said",
    [
        "failed to connect to the docker API at unix:///x.sock: dial unix /x.sock: connect: no such file or directory",
        "error during connect: dial tcp: lookup box: no such host",
    ],
)
def test_an_engine_that_is_away_is_not_a_cluster_that_is_not_there(paths: Paths, said: str) -> None:
    runner = FakeRunner({INSPECT: Outcome(1, "[]\n", said)})
    for ask in (provider(runner, paths).find, provider(runner, paths).delete):
        with pytest.raises(MachineLacks, match="Docker did not answer"):
            ask("shop")


@pytest.mark.requirement("LC-Q16")
def test_a_node_that_ends_while_starting_is_not_waited_for(paths: Paths, node: Callable[..., str]) -> None:
    runner = FakeRunner(
        {
            INSPECT: [node("exited"), node("exited")],
            docker.start("abc").argv: "",
            READY: Outcome(1, "", "is not running"),
            docker.logs(node_name("shop"), 20).argv: Outcome(0, "", "kubelet: too old\n"),
        }
    )
    with pytest.raises(BeyondRepair) as caught:
        provider(runner, paths).start("shop", 60)
    assert caught.value.details == ("kubelet: too old",)
    assert "`kilter up --recreate`" in caught.value.hint


@pytest.mark.requirement("LC-Q19")
@pytest.mark.parametrize(
    "fault",
    [
        "network 1234 not found",
        "listen tcp6 [::1]:30001: bind: permission denied",
        "listen tcp4 127.0.0.1:30001: bind: cannot assign requested address",
    ],
)
def test_a_container_that_the_engine_cannot_start_is_beyond_repair(
    fault: str, paths: Paths, node: Callable[..., str]
) -> None:
    said = (f"Error response from daemon: {fault}", "Error: failed to start containers: abc")
    runner = FakeRunner({INSPECT: node("exited"), docker.start("abc").argv: Outcome(1, "", "\n".join(said))})
    with pytest.raises(BeyondRepair, match="kilter-shop-control-plane does not start") as caught:
        provider(runner, paths).start("shop", 60)
    assert caught.value.details == said
    assert "IPv6" not in caught.value.what


@pytest.mark.requirement("LC-Q19", "NS-Q17")
@pytest.mark.parametrize(
    "said",
    [
        "Error starting userland proxy: listen tcp6 [::1]:30001: bind: cannot assign requested address",
        "failed to bind host port [::1]:30001:172.20.0.2:30001/tcp: cannot assign requested address",
    ],
)
def test_a_cluster_with_ports_on_an_ipv6_that_is_gone_says_so_and_may_be_made_anew(
    said: str, paths: Paths, node: Callable[..., str]
) -> None:
    answer = Outcome(1, "", f"Error response from daemon: {said}")
    runner = FakeRunner({INSPECT: node("exited"), docker.start("abc").argv: answer})
    with pytest.raises(BeyondRepair, match="its ports are on IPv6 too, which this machine has no longer") as caught:
        provider(runner, paths).start("shop", 60)
    assert "`kilter up --recreate`" in caught.value.hint


@pytest.mark.requirement("NS-Q3")
@pytest.mark.parametrize(("made", "now"), [("link", "real"), ("real", "link")])
def test_a_cluster_that_was_made_through_a_link_to_the_home_is_ours_by_its_real_path(
    made: str, now: str, tmp_path: Path, node: Callable[..., str]
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    mine, before = Paths(tmp_path / now, tmp_path / "cache"), Paths(tmp_path / made, tmp_path / "cache")
    source = str(before.identity("shop"))
    assert provider(FakeRunner({INSPECT: node(source=source)}), mine).find("shop").state is State.RUNNING
    [(_, state, _)] = listed(mine, row("kilter-shop-control-plane", f"0123,{source},/lib"))
    assert state is State.RUNNING


@pytest.mark.requirement("LC-Q19", "NS-Q16")
@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: driver failed: Bind for 127.0.0.1:30001 failed: port is already allocated",
        "Error response from daemon: write /x: no space left on device",
        "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
    ],
)
def test_what_the_machine_lacks_is_no_reason_to_give_a_cluster_up(
    said: str, paths: Paths, node: Callable[..., str]
) -> None:
    runner = FakeRunner({INSPECT: node("exited"), docker.start("abc").argv: Outcome(1, "", said)})
    with pytest.raises(MachineLacks) as caught:
        provider(runner, paths).start("shop", 60)
    assert "--recreate" not in caught.value.hint


@pytest.mark.requirement("LC-Q19")
def test_a_node_without_its_own_credentials_is_not_waited_for(paths: Paths, node: Callable[..., str]) -> None:
    said = f"error: stat {kubeconfig.ADMIN_FILE}: no such file or directory"
    runner = FakeRunner({INSPECT: node(), READY: Outcome(1, "", said)})
    with pytest.raises(BeyondRepair, match="has no credentials"):
        provider(runner, paths).start("shop", 60)


@pytest.mark.requirement("LC-Q19")
@pytest.mark.parametrize(
    "said", ["exec: kubectl: no such file or directory", f"error loading {kubeconfig.ADMIN_FILE}: input/output error"]
)
def test_a_node_whose_credentials_may_be_there_is_not_given_up(
    said: str, paths: Paths, node: Callable[..., str]
) -> None:
    with pytest.raises(StaysUnready):
        provider(FakeRunner({INSPECT: node(), READY: Outcome(1, "", said)}), paths).start("shop", 0)


@pytest.mark.requirement("LC-Q19", "NS-Q3")
@pytest.mark.parametrize("status", ["running", "exited", "dead"])
def test_discarding_removes_the_container_and_leaves_the_data(
    status: str, paths: Paths, node: Callable[..., str]
) -> None:
    row = paths.volumes("shop") / "pvc-1" / "row"
    row.parent.mkdir(parents=True)
    row.touch()
    runner = FakeRunner({INSPECT: node(status), docker.stop("abc", 5).argv: Outcome(1), docker.remove("abc").argv: ""})
    write_whole(paths.cluster_mark("shop"), "shop\n")
    provider(runner, paths).discard("shop", 5)
    assert not paths.cluster_mark("shop").exists()
    stopping = [docker.stop("abc", 5).argv] if status == "running" else []
    assert [command.argv for command in runner.commands] == [INSPECT, *stopping, docker.remove("abc").argv]
    assert row.exists()


@pytest.mark.requirement("LC-Q16")
def test_an_api_that_does_not_become_ready_ends_the_wait_with_its_last_words(
    paths: Paths, node: Callable[..., str]
) -> None:
    runner = FakeRunner({INSPECT: [node(), node()], READY: Outcome(1, "", "etcd failed")})
    with pytest.raises(TimedOut) as caught:
        provider(runner, paths).start("shop", 0)
    assert caught.value.details == ("etcd failed",)


@pytest.mark.requirement("LC-Q16", "LC-Q19")
@pytest.mark.parametrize("question", ["the API server", "the engine"])
def test_one_slow_answer_of_the_engine_ends_no_wait(
    question: str, paths: Paths, node: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    refused = Outcome(1, "", "connection refused")
    runner = FakeRunner(
        {INSPECT: [node()] * 3, READY: [refused, "ok"] if question == "the engine" else "ok", READ: ADMIN}
    )
    asked: list[tuple[str, ...]] = []

    def run(command: Command) -> Outcome:
        asked.append(command.argv)
        wanted, nth = (READY, 1) if question == "the API server" else (INSPECT, 2)
        if command.argv == wanted and asked.count(wanted) == nth:
            raise late(command)
        return FakeRunner.run(runner, command)

    monkeypatch.setattr(runner, "run", run)
    assert provider(runner, paths).start("shop", 60).state is State.RUNNING
    assert asked.count(READY) == 2


@pytest.mark.requirement("LC-Q16")
def test_an_engine_that_stays_slow_ends_the_wait_at_its_limit(
    paths: Paths, node: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = FakeRunner({INSPECT: node()})

    def run(command: Command) -> Outcome:
        if command.argv == READY:
            raise late(command)
        return FakeRunner.run(runner, command)

    monkeypatch.setattr(runner, "run", run)
    with pytest.raises(StaysUnready, match="is not ready after 0 seconds") as caught:
        provider(runner, paths).start("shop", 0)
    assert "did not end within 30 seconds" in caught.value.details[0]


@pytest.mark.requirement("LC-10", "LC-Q7")
@pytest.mark.parametrize(("status", "stopped"), [("running", True), ("exited", False), ("dead", False)])
def test_stopping_twice_is_fine(paths: Paths, node: Callable[..., str], status: str, stopped: bool) -> None:
    runner = FakeRunner({INSPECT: node(status), docker.stop("abc", 10).argv: ""})
    assert provider(runner, paths).stop("shop", 10) is stopped
    assert provider(FakeRunner({INSPECT: ABSENT}), paths).stop("shop", 10) is False


@pytest.mark.requirement("LC-11", "LC-Q10", "LC-Q7")
def test_deleting_empties_the_data_before_the_container_goes(paths: Paths, node: Callable[..., str]) -> None:
    empty = docker.run_once(
        "sha256:1", "find", ("/var/local-path-provisioner", "-mindepth", "1", "-delete"), mounts_of="abc"
    ).argv
    runner = FakeRunner({INSPECT: node(), docker.kill("abc").argv: "", empty: "", docker.remove("abc").argv: ""})
    told = (paths.cluster_mark("shop"), stopping_mark(paths, "shop"), paths.kubeconfig("shop"))
    for file in told:
        write_whole(file, "of the cluster that goes")
    assert provider(runner, paths).delete("shop")
    assert not [file for file in told if file.exists()]
    assert [command.argv for command in runner.commands] == [
        INSPECT,
        docker.kill("abc").argv,
        empty,
        docker.remove("abc").argv,
    ]
    assert provider(FakeRunner({INSPECT: ABSENT}), paths).delete("shop") is False


@pytest.mark.requirement("LC-Q10", "C4")
def test_deleting_a_cluster_empties_no_folder_but_its_projects_own(paths: Paths, node: Callable[..., str]) -> None:
    described = node().replace(str(paths.volumes("shop")), "/srv/somebody/data")
    removal = {docker.kill("abc").argv: "", docker.remove("abc").argv: ""}
    runner = FakeRunner({INSPECT: described, **removal})
    assert provider(runner, paths).delete("shop")
    assert [command.argv for command in runner.commands] == [INSPECT, *removal]


@pytest.mark.requirement("LC-Q10")
def test_the_data_of_a_cluster_that_somebody_else_removed_is_deleted_by_means_of_its_image(
    paths: Paths, node: Callable[..., str]
) -> None:
    made = FakeRunner({INSPECT: [ABSENT, node()], create_command(paths): "", POLICY: "", READ: ADMIN})
    provider(made, paths).create("shop", CONFIG, IMAGE)
    row = paths.volumes("shop") / "row"
    empty = docker.run_once(
        IMAGE, "find", ("/volumes", "-mindepth", "1", "-delete"), bind=f"{paths.volumes('shop')}:/volumes"
    ).argv

    class Emptying(FakeRunner):
        def run(self, command: Command) -> Outcome:
            if command.argv == empty:
                row.unlink()
            return super().run(command)

    row.touch()
    assert provider(Emptying({INSPECT: ABSENT, empty: ""}), paths).delete("shop") is True
    assert not row.exists()
    row.touch()
    with pytest.raises(Failed, match="could not be deleted"):
        provider(FakeRunner({INSPECT: ABSENT, empty: ""}), paths).delete("shop")
    (paths.project_data("shop") / "node-image").unlink()
    with pytest.raises(Failed, match="could not be deleted") as caught:
        provider(FakeRunner({INSPECT: ABSENT}), paths).delete("shop")
    assert caught.value.hint == f"run `sudo rm -r {paths.volumes('shop')}`"
    assert row.exists()


def test_deleting_a_cluster_that_somebody_else_removed_ends_what_speaks_of_one(paths: Paths) -> None:
    write_whole(paths.cluster_mark("shop"), "shop\n")
    assert provider(FakeRunner({INSPECT: ABSENT}), paths).delete("shop") is False
    assert not paths.cluster_mark("shop").exists()


@pytest.mark.requirement("LC-Q10", "LC-Q19")
@pytest.mark.parametrize(
    "remove", [lambda mine: mine.delete("shop"), lambda mine: mine.discard("shop", 5)], ids=["delete", "discard"]
)
def test_a_kubeconfig_in_a_folder_of_somebody_else_keeps_no_cluster_from_being_removed(
    remove: Callable[[KindProvider], None], paths: Paths, node: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = docker.run_once(
        "sha256:1", "find", ("/var/local-path-provisioner", "-mindepth", "1", "-delete"), mounts_of="abc"
    ).argv
    done = {docker.kill("abc").argv: "", docker.stop("abc", 5).argv: "", docker.remove("abc").argv: "", empty: ""}
    runner = FakeRunner({INSPECT: node(), **done})
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == paths.kubeconfig("shop"):
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    creation_mark(paths, "shop").parent.mkdir(parents=True)
    creation_mark(paths, "shop").touch()
    remove(provider(runner, paths))
    assert not creation_mark(paths, "shop").exists()


@pytest.mark.requirement("LC-Q10")
def test_data_that_cannot_be_deleted_keeps_the_container_and_says_where_it_lies(
    paths: Paths, node: Callable[..., str]
) -> None:
    paths.volumes("shop").mkdir(parents=True)
    (paths.volumes("shop") / "row").touch()
    empty = docker.run_once(
        "sha256:1", "find", ("/var/local-path-provisioner", "-mindepth", "1", "-delete"), mounts_of="abc"
    ).argv
    runner = FakeRunner({INSPECT: node(), docker.kill("abc").argv: "", empty: ""})
    with pytest.raises(Failed, match="could not be deleted") as caught:
        provider(runner, paths).delete("shop")
    assert str(paths.volumes("shop")) in caught.value.hint


@pytest.mark.requirement("LC-Q10")
def test_who_has_deleted_the_data_as_they_were_told_is_rid_of_the_cluster_by_the_next_deletion(
    paths: Paths, node: Callable[..., str]
) -> None:
    empty = docker.run_once(
        "sha256:1", "find", ("/var/local-path-provisioner", "-mindepth", "1", "-delete"), mounts_of="abc"
    ).argv
    gone = Outcome(125, "", "Error response from daemon: No such image: sha256:1")
    runner = FakeRunner({INSPECT: node(), docker.kill("abc").argv: "", empty: gone, docker.remove("abc").argv: ""})
    assert provider(runner, paths).delete("shop")
    assert runner.commands[-1].argv == docker.remove("abc").argv


@pytest.mark.requirement("NS-Q11")
@pytest.mark.parametrize("is_unfinished", [False, True])
def test_the_kubeconfig_of_a_running_cluster_is_made_once(
    is_unfinished: bool, paths: Paths, node: Callable[..., str]
) -> None:
    if is_unfinished:
        write_whole(creation_mark(paths, "shop"), "")
    runner = FakeRunner({INSPECT: node(), READ: ADMIN})
    for _ in range(2):
        assert provider(runner, paths).kubeconfig("shop") == paths.kubeconfig("shop")
    assert [command.argv for command in runner.commands].count(READ) == 1


def test_there_is_no_kubeconfig_without_a_running_cluster(paths: Paths, node: Callable[..., str]) -> None:
    with pytest.raises(NotFound) as absent:
        provider(FakeRunner({INSPECT: ABSENT}), paths).kubeconfig("shop")
    with pytest.raises(NotReady) as stopped:
        provider(FakeRunner({INSPECT: node("exited")}), paths).kubeconfig("shop")
    assert absent.value.hint == stopped.value.hint == "run `kilter up`"
