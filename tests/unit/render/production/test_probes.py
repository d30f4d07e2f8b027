import pytest

from kilter.errors import BadInput
from kilter.project.model import Probe, Probes
from kilter.render.production.probes import declared_probes, web_probes

READINESS = {"interval": 5, "timeout": 2, "failures": 2}
LIVENESS = {"interval": 10, "timeout": 2, "failures": 3}
STARTUP = {"interval": 2, "timeout": 2, "failures": 30}


@pytest.mark.requirement("PP-Q10", "DP-Q51")
@pytest.mark.parametrize("declared", [None, Probes()])
def test_an_app_that_declares_no_checks_is_asked_only_whether_its_port_is_open(declared: Probes | None) -> None:
    assert web_probes(declared, 8080) == {"readiness": {"port": 8080, **READINESS}}


@pytest.mark.requirement("PP-19", "PP-Q8")
def test_declared_checks_have_the_paths_and_times_of_the_specification() -> None:
    assert web_probes(Probes(liveness=Probe(), readiness=Probe()), 8080) == {
        "readiness": {"path": "/status", "port": 8080, **READINESS},
        "liveness": {"path": "/health", "port": 8080, **LIVENESS},
        "startup": {"path": "/health", "port": 8080, **STARTUP},
    }


@pytest.mark.requirement("PP-19")
def test_the_startup_check_asks_what_the_liveness_check_asks() -> None:
    slow = Probe(type="exec", command=("check",), interval="1m", timeout="5s", failures=9)
    found = declared_probes(Probes(liveness=slow), 0)
    assert found["liveness"] == {"command": ["check"], "interval": 60, "timeout": 5, "failures": 9}
    assert found["startup"] == {"command": ["check"], "interval": 2, "timeout": 5, "failures": 30}


def test_the_words_of_a_check_are_literal_as_those_of_a_command_are() -> None:
    """The kubelet expands both."""
    found = declared_probes(Probes(liveness=Probe(type="exec", command=("sh", "-c", "kill -0 $$ && test $(X)"))), 0)
    assert found["liveness"]["command"] == ["sh", "-c", "kill -0 $$$$ && test $$(X)"]


def test_a_startup_check_of_its_own_takes_the_liveness_path_unless_it_has_one() -> None:
    found = declared_probes(Probes(liveness=Probe(path="/alive"), startup=Probe(failures=300)), 80)
    assert found["startup"] == {"path": "/alive", "port": 80, "interval": 2, "timeout": 2, "failures": 300}


@pytest.mark.requirement("PP-70")
@pytest.mark.parametrize("off", ["off", Probe(type="off")])
def test_each_check_can_be_off(off: Probe) -> None:
    assert web_probes(Probes(liveness=off, readiness=off, startup=off), 80) == {}
    assert set(web_probes(Probes(liveness=Probe(), startup=off), 80)) == {"liveness", "readiness"}


@pytest.mark.requirement("PP-70")
def test_all_checks_can_be_off() -> None:
    assert web_probes("off", 80) == {}


@pytest.mark.requirement("PP-Q11", "DP-Q60")
def test_a_process_has_no_checks_unless_it_declares_some() -> None:
    assert declared_probes(None, 9000) == {}
    assert set(declared_probes(Probes(readiness=Probe(type="tcp")), 9000)) == {"readiness"}


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        (Probe(), "there is no port to check"),
        (Probe(type="exec"), "needs a `command`"),
        (Probe(port=1, interval="often"), "probes.liveness.interval: 'often' is not a duration"),
    ],
)
def test_a_check_that_cannot_be_made_is_refused(probe: Probe, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        declared_probes(Probes(liveness=probe), 0)


def test_times_are_whole_seconds_and_never_none_at_all() -> None:
    found = declared_probes(Probes(liveness=Probe(interval="0.2s", timeout="2.5s")), 80)
    assert (found["liveness"]["interval"], found["liveness"]["timeout"]) == (1, 3)
