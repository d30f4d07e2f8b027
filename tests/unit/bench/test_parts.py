"""What the benchmarks read out of other programs' answers, and the environment that they give them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS, Report, parse
from bench.alone import alone
from bench.engine import Process, Usage, own_processes, parse_ps, usage
from bench.idle import proxied, published, rows
from bench.measure import Row, Sample
from bench.process import Failed
from bench.shop import BUILT, copy_example, user_environment
from bench.start import described
from kilter.errors import MachineLacks


def stats(**memory: int) -> dict[str, object]:
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"usage": 300 * 1024 * 1024, "stats": memory},
    }


@pytest.mark.parametrize("error", [Failed("no helm: offline"), MachineLacks("no helm", why="offline")])
def test_a_benchmark_by_itself_that_cannot_be_run_says_why(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compare(_: Path) -> Sequence[Row]:
        raise error

    monkeypatch.setattr("bench.alone.signal.signal", lambda *_: None)
    assert alone("redeploy", compare) == 1
    assert capsys.readouterr() == ("", "error: no helm: offline\n")


@pytest.mark.parametrize("droppable", ["total_inactive_file", "inactive_file"])
def test_usage_leaves_the_droppable_file_cache_out(droppable: str) -> None:
    assert usage(stats(**{droppable: 100 * 1024 * 1024})) == Usage(2.5, 200)
    assert usage(stats()) == Usage(2.5, 300)


def test_processes_are_read_with_blanks_in_their_commands() -> None:
    assert parse_ps("    1     0  2048 /sbin/init splash\n   17     1     0 [kthreadd]\n") == [
        Process(1, 0, 2.0, "/sbin/init splash"),
        Process(17, 1, 0.0, "[kthreadd]"),
    ]


def test_kilters_own_processes_are_those_of_its_folders_without_tilt_and_the_benchmark() -> None:
    me, folder = os.getpid(), Path("/bench/home")
    found = [
        Process(1, 0, 1, "/sbin/init"),
        Process(9000001, 1, 1, "/bench/home/tools.d/tilt up"),
        Process(9000002, 9000001, 1, "/bench/home/tools.d/kubectl get pods"),
        Process(9000003, 1, 1, "/bench/home/tools.d/kubectl port-forward"),
        Process(9000004, 1, 1, "/bench/home-of-another/kubectl"),
        Process(9000005, 1, 1, "make bench --home /bench/home/"),
        Process(me, 9000005, 1, "python -m bench --home /bench/home/"),
    ]
    assert [each.pid for each in own_processes(found, [folder], [9000001])] == [9000003]


def test_published_ports_and_the_proxies_that_hold_them() -> None:
    listed = "32060/tcp -> 127.0.0.1:32060\n32060/tcp -> [::1]:32060\n6443/tcp -> 127.0.0.1:43139\n"
    assert published(listed) == {"32060", "43139"}
    assert proxied("/usr/bin/docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port 32060 -use-listen-fd") == "32060"
    assert proxied("/usr/bin/docker-proxy") == ""


def test_docker_calls_are_counted_by_verb() -> None:
    assert described(["ps", "stats", "ps"]) == "3 docker processes (2 ps, stats)"
    assert described(["ps"]) == "1 docker process (ps)"
    assert described([]) == "0 docker processes"


def test_the_user_has_a_home_of_their_own_and_the_same_docker() -> None:
    given = {"HOME": "/root", "PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1", "KUBECONFIG": "/k", "XDG_DATA_HOME": "/d"}
    own = {"HOME": "/h", "DOCKER_CONFIG": "/root/.docker", "NO_COLOR": "1"}
    assert user_environment(given, Path("/h")) == {"PATH": "/bin"} | own
    assert user_environment(given | {"DOCKER_CONFIG": "/c"}, Path("/h"))["DOCKER_CONFIG"] == "/c"


def test_the_example_is_copied_under_the_benchmarks_name(tmp_path: Path) -> None:
    copy_example(tmp_path / "shop")
    assert (tmp_path / "shop" / "kilter.yaml").read_text().startswith("name: bench-shop\n")
    assert (tmp_path / "shop" / "shop" / "greeting.py").is_file()


def test_only_images_of_the_benchmarks_are_removed() -> None:
    assert "localhost:32760/bench-shop_bench-shop:tilt-1".startswith(BUILT)
    assert not "localhost:32760/bench-shopping_web:tilt-1".startswith(BUILT)


def test_a_minute_of_idleness_becomes_rows() -> None:
    names = ["kilter", "bare", "shared", "tilt"]
    look = {f"{name} {part}": 1.0 for name in names for part in ("cpu", "memory", "proxies", "proxies memory")}
    found = rows([look | {"own": 0.0}])
    assert found[0].verdict == "met"
    assert {row.benchmark for row in found} == {"idle"}


def test_a_report_says_what_could_not_be_measured() -> None:
    report = Report([Row("start", "kilter env", Sample((1.0,)))], {"edit": "no Tilt"}, {"start": (1.0, 2.0)})
    text = report.text()
    assert "kilter env" in text
    assert "edit could not be measured: no Tilt" in text
    assert "start 1.0 → 2.0" in text


@pytest.mark.parametrize("arguments", [["nonsense"], ["--rounds", "0"], ["--kilter", "/nowhere/kilter"]])
def test_a_wrong_command_line_is_refused(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--kilter", "/bin/sh", *arguments])
    assert "error: " in capsys.readouterr().err


def test_names_choose_benchmarks() -> None:
    options = parse(["--kilter", "/bin/sh", "start", "edit", "--rounds", "1"])
    assert (options.names, options.rounds) == (["start", "edit"], 1)
    assert set(options.names) < set(BENCHMARKS)
