"""A node that cannot die is thawed; every other answer of Docker is what it was."""

import pytest
from fakes import FakeRunner

from kilter.clusters import ending
from kilter.errors import Failed
from kilter.proc import Command, Outcome
from kilter.tools import docker

REFUSED = "Error response from daemon: cannot kill container: abc: "
UNDYING = Outcome(1, "", f"{REFUSED}tried to kill container, but did not receive an exit event")
GONE = Outcome(1, "", f"{REFUSED}container abc is not running")


@pytest.mark.requirement("LC-Q10", "LC-Q22")
@pytest.mark.parametrize(
    ("command", "again"),
    [(docker.kill("abc"), GONE), (docker.stop("abc", 5), "abc"), (docker.remove("abc"), "abc")],
    ids=["kill", "stop", "remove"],
)
def test_what_cannot_die_is_thawed_and_ended_again(command: Command, again: str | Outcome) -> None:
    thaw = docker.thaw("abc", "sha256:1").argv
    runner = FakeRunner({command.argv: [UNDYING, again], thaw: ""})
    ending.end(runner, command, "abc", "sha256:1")
    assert [each.argv for each in runner.commands] == [command.argv, thaw, command.argv]


def test_what_ends_is_ended_once_and_what_does_not_run_is_fine() -> None:
    for command, answer in ((docker.kill("abc"), GONE), (docker.remove("abc"), "abc")):
        runner = FakeRunner({command.argv: answer})
        ending.end(runner, command, "abc", "sha256:1")
        assert len(runner.commands) == 1


@pytest.mark.parametrize("answers", [[GONE], [UNDYING, UNDYING]], ids=["another reason", "it stays as it is"])
def test_what_docker_says_of_another_failure_is_told(answers: list[str | Outcome]) -> None:
    said = answers[-1]
    assert isinstance(said, Outcome)
    runner = FakeRunner({docker.remove("abc").argv: answers, docker.thaw("abc", "sha256:1").argv: ""})
    with pytest.raises(Failed) as caught:
        ending.end(runner, docker.remove("abc"), "abc", "sha256:1")
    assert caught.value.details == (said.stderr,)
