"""The pure parts: environment, homes, names, rules, archives, certificates, versions."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from conformance.apiserver import home_of_testbed

from testbed import archive, debian, golang, images, network
from testbed.environment import export_lines, product_environment
from testbed.home import Home
from testbed.probe import public_registry
from testbed.work import StageFailed, Work, copy_recipe

HOME = Home(Path("/cache/of a person"))


def test_the_environment_names_engine_tools_and_images() -> None:
    given = product_environment(HOME, {"PATH": "/usr/bin:/bin"})
    assert given == {
        "PATH": "/cache/of a person/current/engine/client:/usr/bin:/bin",
        "DOCKER_HOST": "unix:///run/kilter-testbed/docker.sock",
        "DOCKER_CONFIG": "/cache/of a person/docker-config",
        "KILTER_TOOLS_MIRROR": "/cache/of a person/mirror",
        "KILTER_NODE_IMAGE": "kindest/node:v1.37.0",
        "KILTER_REGISTRY_MIRROR": "http://172.17.0.1:5000",
    }


def test_the_environment_given_twice_is_the_same() -> None:
    once = product_environment(HOME, {"PATH": "/bin"})
    assert product_environment(HOME, once) == once


def test_export_lines_survive_a_space() -> None:
    assert export_lines({"A": "b c", "D": "e"}).endswith("\nexport A='b c'\nexport D=e\n")


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"HOME": "/home/x"}, "/home/x/.cache/kilter-testbed"),
        ({"HOME": "/home/x", "XDG_CACHE_HOME": "/c"}, "/c/kilter-testbed"),
        ({"HOME": "/home/x", "KILTER_TESTBED_HOME": "/somewhere"}, "/somewhere"),
    ],
)
def test_the_home_is_where_the_environment_says(environment: dict[str, str], root: str) -> None:
    assert Home.from_environment(environment).root == Path(root)
    assert home_of_testbed(environment) == Path(root)


@pytest.mark.parametrize("name", ["KILTER_TESTBED_HOME", "XDG_CACHE_HOME", "HOME"])
def test_the_home_is_named_as_the_kernel_names_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mounts below a home that is named by way of a link, or relative to a folder, are not found otherwise."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    straight = Home.from_environment({name: f"{tmp_path}/disk"})
    assert Home.from_environment({name: f"{tmp_path}/link"}) == straight
    assert Home.from_environment({name: "link"}) == straight


def test_the_home_in_use_is_the_one_that_was_started(tmp_path: Path) -> None:
    home = Home(tmp_path / "mine", tmp_path)
    assert home.in_use() == home
    (tmp_path / "home").write_text("/theirs")
    assert home.in_use() == Home(Path("/theirs"), tmp_path)


@pytest.mark.parametrize(
    ("image", "there"),
    [
        ("redis:8", "127.0.0.1:5000/library/redis:8"),
        ("kindest/node:v1", "127.0.0.1:5000/kindest/node:v1"),
        ("docker.io/kindest/x:1", "127.0.0.1:5000/kindest/x:1"),
        ("registry.k8s.io/coredns/coredns:v1", "127.0.0.1:5000/coredns/coredns:v1"),
    ],
)
def test_an_image_lies_in_the_mirror_under_the_name_clients_ask_for(image: str, there: str) -> None:
    assert images.mirror_name(image) == there


def test_only_certificates_beyond_debians_are_added() -> None:
    one, two = (f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----" for body in ("AAA", "BBB"))
    assert images.own_certificates(f"{one}\n{two}\n", f"# standard\n{one}\n") == [two]
    assert images.own_certificates(one, one) == []


def test_the_archive_is_the_one_the_machine_uses() -> None:
    told = "http://tools.example/apt cloud-sdk-bookworm\nhttp://a.example/debian/ bookworm\n"
    assert debian.archive(told) == "http://a.example/debian"


def test_a_machine_without_debian_is_told_so() -> None:
    with pytest.raises(StageFailed, match="apt knows no Debian bookworm archive"):
        debian.archive("http://tools.example/apt cloud\n")


def test_sources_have_updates_and_security() -> None:
    assert debian.sources("http://a.example/debian", "trixie").splitlines() == [
        "deb http://a.example/debian trixie main",
        "deb http://a.example/debian trixie-updates main",
        "deb http://a.example/debian-security trixie-security main",
    ]


@pytest.mark.parametrize(
    ("told", "fits"),
    [
        ("go version go1.26.8 linux/amd64", True),
        ("go version go1.27 linux/amd64", True),
        ("go version go1.26.3 linux/amd64", False),
        ("go version go1.19.8", False),
        ("", False),
    ],
)
def test_a_go_is_taken_when_new_enough(told: str, fits: bool) -> None:
    assert golang.new_enough(told) is fits


def test_nothing_is_compiled_for_a_machine_that_somebody_else_has() -> None:
    given = golang.environment(Work(HOME, "tilt", {"GOOS": "darwin", "GOARCH": "arm64", "PATH": "/bin"}))
    assert (given["GOOS"], given["GOARCH"], given["GOAMD64"]) == ("linux", "amd64", "v1")


SAVED = """\
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:MINE - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o br-0123456789ab -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -j MINE
COMMIT
"""


def test_the_engines_rules_are_taken_out_and_no_others() -> None:
    assert network.removal(SAVED).splitlines() == [
        "*nat",
        "-D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "-F DOCKER",
        "-X DOCKER",
        "COMMIT",
        "*filter",
        "-D FORWARD -j DOCKER-USER",
        "-D FORWARD -o br-0123456789ab -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-F DOCKER-USER",
        "-X DOCKER-USER",
        "COMMIT",
    ]


def test_mounts_below_a_folder_come_latest_first() -> None:
    table = "overlay /h/a overlay rw 0 0\nproc /proc proc rw 0 0\ntmpfs /h/a/b\\040c tmpfs rw 0 0\nx /home x rw 0 0\n"
    assert network.mounts_below(table, [Path("/h")]) == ["/h/a/b c", "/h/a"]


def test_limits_are_raised_and_put_back(tmp_path: Path) -> None:
    system, note = tmp_path / "sys", tmp_path / "note"
    for name in (*network.RAISED, "net/ipv4/ip_forward"):
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text("128\n" if name in network.RAISED else "0\n")
    network.raise_limits(note, system)
    assert (system / "fs/inotify/max_user_instances").read_text() == "1024"
    network.raise_limits(note, system)
    network.restore_limits(note, system)
    assert (system / "fs/inotify/max_user_instances").read_text() == "128"
    assert (system / "net/ipv4/ip_forward").read_text() == "0\n"


@pytest.mark.parametrize(
    "name",
    [
        "net/ipv6/conf/all/forwarding",  # dockerd, for a network with IPv6 such as kind's
        "kernel/panic",  # kubelet
        "vm/overcommit_memory",
        "fs/protected_fifos",  # systemd of a node
    ],
)
def test_what_engine_and_nodes_set_in_the_kernel_is_put_back(tmp_path: Path, name: str) -> None:
    system, note = tmp_path / "sys", tmp_path / "note"
    for each in (*network.RAISED, name):
        (system / each).parent.mkdir(parents=True, exist_ok=True)
        (system / each).write_text("2000000\n")
    network.raise_limits(note, system)
    (system / name).write_text("1\n")
    network.restore_limits(note, system)
    assert (system / name).read_text() == "2000000"


def test_a_setting_that_nobody_changed_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's /proc/sys may be read-only in part."""
    note, system = tmp_path / "note", tmp_path / "sys"
    (system / "kernel").mkdir(parents=True)
    (system / "kernel/panic").write_text("0\n")
    note.write_text('{"kernel/panic": "0"}')
    monkeypatch.setattr(Path, "write_text", lambda *_: pytest.fail("written"))
    network.restore_limits(note, system)


def test_an_image_archive_holds_layer_config_and_every_name(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("x")
    program.chmod(0o755)
    image = archive.Image(
        ("a:1", "b:1"), {"usr/bin/program": program}, {"bin": "usr/bin"}, ("/usr/bin/program",), "65534"
    )
    archive.write_archive(tmp_path / "images.tar", [image])
    with tarfile.open(tmp_path / "images.tar") as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(tar.extractfile(entry["Config"]))  # type: ignore[arg-type]
        with tarfile.open(fileobj=tar.extractfile(entry["Layers"][0])) as layer:
            assert layer.getnames() == ["usr", "usr/bin", "tmp", "usr/bin/program", "bin"]
            assert layer.getmember("usr/bin/program").mode == 0o755
            assert layer.getmember("tmp").mode == 0o1777
    assert entry["RepoTags"] == ["a:1", "b:1"]
    assert config["config"]["Entrypoint"] == ["/usr/bin/program"]
    assert config["config"]["User"] == "65534"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{entry['Layers'][0].split('/')[0]}"]


@pytest.mark.parametrize(("checked_out", "in_image"), [(0o700, 0o755), (0o600, 0o644), (0o664, 0o644), (0o555, 0o755)])
def test_a_file_has_the_same_mode_in_every_image(tmp_path: Path, checked_out: int, in_image: int) -> None:
    """Who checks out, or builds, with a narrow umask makes nothing that others cannot run."""
    program = tmp_path / "recipe/bin/program"
    program.parent.mkdir(parents=True)
    program.write_text("x")
    program.chmod(checked_out)
    program.parent.chmod(0o700)
    with tarfile.open(fileobj=io.BytesIO(archive.layer(archive.Image(("a:1",), {"program": program}, {})))) as layer:
        assert layer.getmember("program").mode == in_image
    (tmp_path / "tree/kept").mkdir(parents=True)
    (tmp_path / "recipe/kept").mkdir(mode=0o700)
    (tmp_path / "tree/kept").chmod(0o1777)
    copy_recipe(tmp_path / "recipe", tmp_path / "tree")
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "tree").rglob("*")}
    assert modes == {"bin": 0o755, "program": in_image, "kept": 0o1777}


def test_a_stand_in_replaces_the_go_files_of_its_package_and_nothing_else(tmp_path: Path) -> None:
    source, replacements = tmp_path / "source", tmp_path / "stand-ins"
    for name in ("dns/table.go", "dns/table_test.go", "dns/table.toml", "dns/route53/route53.go", "other/other.go"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("original")
    (replacements / "dns").mkdir(parents=True)
    (replacements / "dns/none.go").write_text("package dns")
    golang.stand_in(source, replacements)
    left = {str(file.relative_to(source)) for file in source.rglob("*") if file.is_file()}
    assert left == {"dns/none.go", "dns/table.toml", "dns/route53/route53.go", "other/other.go"}
    assert (source / "dns/none.go").read_text() == "package dns"


def test_the_probe_asks_where_the_nodes_images_come_from() -> None:
    assert public_registry() == "https://registry.k8s.io/v2/"
