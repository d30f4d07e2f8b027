"""The named seam of the unit tests: a runner that answers what it was told and refuses everything else."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import NoReturn

from kilter.proc import Command, Outcome, Pipe, Started, failure
from kilter.tools import docker

Answer = str | Outcome | list[str | Outcome]
# What an engine that works answers.
ENGINE = {
    docker.context().argv: "default unix:///run/docker.sock\n",
    docker.endpoint().argv: "unix:///run/docker.sock\n",
    docker.info().argv: '{"ServerVersion": "28.0.0"}',
}


def press_ctrl_c(*_: object, **__: object) -> NoReturn:
    """Stand in for a function in which the user presses Ctrl-C."""
    raise KeyboardInterrupt


@dataclass
class FakeRunner:
    """Answers per argument vector: a text (standard output, exit code 0), an Outcome, or a list of them in turn."""

    answers: Mapping[tuple[str, ...], Answer] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)

    def run(self, command: Command) -> Outcome:
        self.commands.append(command)
        outcome = self._answer(command)
        if outcome.code not in command.ok:
            raise failure(command, outcome)
        return outcome

    def start(self, command: Command, log: Path) -> Started:
        self.commands.append(command)
        self._answer(command)
        return Started(4242, "1")

    def attach(self, command: Command) -> int:
        self.commands.append(command)
        return self._answer(command).code

    def stream(self, command: Command) -> Iterator[str]:
        yield from self.run(command).stdout.splitlines()

    def end_running(self) -> None:
        pass

    @contextmanager
    def pipe(self, command: Command) -> Iterator[Pipe]:
        yield Pipe(BytesIO(), BytesIO(self.run(command).stdout.encode()))

    def _answer(self, command: Command) -> Outcome:
        if command.argv not in self.answers:
            raise AssertionError(f"unexpected command: {command}")
        answer = self.answers[command.argv]
        if isinstance(answer, list):
            answer = answer.pop(0)
        return answer if isinstance(answer, Outcome) else Outcome(0, answer)
