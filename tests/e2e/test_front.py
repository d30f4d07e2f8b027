"""The commands that stay in front, on a real terminal and without one, of a real project."""

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator

import pytest
from harness.cli import LIMIT, Kilter
from harness.project import small
from harness.terminal import CTRL_C, Terminal

pytestmark = pytest.mark.cluster
QUESTION = "[d]etach (default) or dow[n]? "


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kilter]:
    with small(tmp_path_factory.mktemp("front")) as kilter:
        kilter.run("up")
        yield kilter


def state(project: Kilter) -> str:
    return str(project.json("status")["state"])


@pytest.mark.requirement("LC-Q30")
def test_a_watched_status_is_drawn_over_until_ctrl_c(project: Kilter) -> None:
    with Terminal(project, "status", "--watch") as screen:
        screen.expect("is up (local cluster")
        screen.expect("service    yes")
        screen.expect("\x1b[1A")  # up a line, to draw over what was there
        screen.expect("service    yes")
        screen.press(CTRL_C)
        assert screen.end(10) == 130
        assert "Traceback" not in screen.seen
        assert "error" not in screen.seen


@pytest.mark.requirement("LC-Q30")
def test_a_watched_status_off_a_terminal_tells_changes_alone(project: Kilter) -> None:
    printed: list[str] = []
    with project.start("status", "--watch") as child:

        def read(out: Iterable[str]) -> None:
            for line in out:
                printed.append(line)  # noqa: PERF402 - the test looks at the list meanwhile

        reader = threading.Thread(target=read, args=[child.stdout])
        reader.start()
        try:
            until(lambda: len(printed) >= 6)
            time.sleep(5)  # two more looks, at which nothing but the age is new
            assert [line.split()[0] for line in printed[1:]] == ["NAME", "redis", "web", "side", "worker"]
            project.run("kubectl", "--", "scale", "deployment/side", "--replicas=0")
            until(lambda: printed[-2].startswith("side") and printed[-2].split()[3] == "-")  # no pod, no restarts
            os.kill(child.pid, signal.SIGINT)
            assert child.wait(20) == 130
            assert child.stderr is not None
            assert child.stderr.read() == ""
        finally:
            child.kill()
            reader.join(10)
    project.run("kubectl", "--", "scale", "deployment/side", "--replicas=1")


def until(holds: Callable[[], bool], limit: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.requirement("LC-Q6")
@pytest.mark.parametrize("keys", ["\n", CTRL_C], ids=["Enter", "Ctrl-C"])
def test_ctrl_c_and_no_answer_detach(project: Kilter, keys: str) -> None:
    with Terminal(project, "up", "--attach") as screen:
        screen.expect("is up (local cluster", timeout=LIMIT)  # the file that was saved last may still be built
        screen.expect("following the dev loop")
        # Tilt's own words, for a file that it watches was saved.
        (project.directory / "index.html").write_text(f"hello {keys!r}\n")
        screen.expect("index.html", timeout=60)
        screen.press(CTRL_C)
        screen.expect(QUESTION)
        screen.press(keys)
        screen.expect("detached: the dev loop runs on")
        assert screen.end() == 0
        assert "Traceback" not in screen.seen
    assert state(project) == "up"


@pytest.mark.requirement("LC-Q6")
def test_ctrl_c_without_a_terminal_detaches_and_asks_nobody(project: Kilter) -> None:
    child = project.start("up", "--attach")
    assert child.stdout is not None
    assert child.stderr is not None
    watchdog = threading.Timer(300, child.kill)
    watchdog.start()
    try:
        assert any("following the dev loop" in line for line in child.stderr)
        (project.directory / "index.html").write_text("hello again\n")
        assert any("index.html" in line for line in child.stdout)
        os.kill(child.pid, signal.SIGINT)
        _, said = child.communicate(timeout=60)
    finally:
        watchdog.cancel()
        child.kill()
    assert child.returncode == 0
    assert said.endswith("detached: the dev loop runs on, `kilter down` ends it\n")
    assert QUESTION not in said
    assert state(project) == "up"


@pytest.mark.requirement("LC-Q6", "LC-9")
def test_ctrl_c_and_n_end_the_loop_and_nothing_else(project: Kilter) -> None:
    with Terminal(project, "up", "--attach") as screen:
        screen.expect("is up (local cluster", timeout=LIMIT)  # the file that was saved last may still be built
        screen.expect("following the dev loop")
        screen.press(CTRL_C)
        screen.expect(QUESTION)
        screen.press("n\n")
        screen.expect("ended the dev loop")
        assert screen.end() == 0
    assert state(project) == "down"
    assert project.json("status")["ready"]


@pytest.mark.requirement("LC-Q16", "LC-Q7")
def test_up_is_over_when_the_newest_code_answers(project: Kilter) -> None:
    """The pods of the code before are ready all the time."""
    project.run("up")
    project.run("down")
    (project.directory / "index.html").write_text("the newest\n")
    project.run("up")
    assert served(project) == "the newest\n"


@pytest.mark.requirement("LC-Q16")
def test_a_build_that_fails_beside_pods_that_are_ready_is_told(project: Kilter) -> None:
    file = project.directory / "Dockerfile"
    good = file.read_text()
    project.run("down")
    file.write_text(f"{good}RUN echo the build is broken && false\n")
    assert "could not be built" in project.run("up", code=7).err
    assert "could not be built" in project.run("up", code=7).err
    assert served(project) == "the newest\n"
    assert project.json("status")["ready"]
    told = "web, worker: the newest change could not be built or applied, and what runs is of before: "
    # `up` ends at the first of the two that fails, and the other one's build may be under way.
    until(lambda: [note.startswith(told) for note in project.json("status")["notes"]] == [True])
    file.write_text(good)
    project.run("up")
    assert not project.json("status")["notes"]


@pytest.mark.requirement("LC-33", "LC-Q16")
def test_a_restart_of_what_cannot_start_says_why_before_its_time_is_up(project: Kilter) -> None:
    change = json.dumps([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "Not/An/Image"}])
    project.run("kubectl", "--", "patch", "deployment/side", "--type=json", f"--patch={change}")
    said = project.run("restart", "side", "--timeout", "5m", code=10).err
    assert "side cannot start: InvalidImageName" in said


def served(project: Kilter) -> str:
    workloads = project.json("status")["workloads"]
    address = next(row["localhost"] for row in workloads if row["name"] == "web")
    with urllib.request.urlopen(address, timeout=10) as answer:
        return str(answer.read().decode())
