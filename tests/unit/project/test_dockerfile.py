"""What a Dockerfile tells about ports, stages, live sync and rebuilds."""

from pathlib import Path

import pytest

from kilter.project.dockerfile import read
from kilter.project.dockerfile_sync import SyncRules, holders, missed, sync_rules

NODE = """\
# syntax=docker/dockerfile:1
FROM node:22 AS base
WORKDIR /app
COPY package.json pnpm-lock.yaml ./
RUN pnpm install
COPY . .
EXPOSE 8080/tcp 9000/udp $PORT

FROM base AS dev
CMD ["pnpm", "dev"]

FROM base AS release
RUN pnpm build
EXPOSE 80
"""


@pytest.mark.requirement("CT-14")
def test_what_is_copied_after_the_last_run_is_synced_and_what_a_run_reads_is_rebuilt() -> None:
    assert sync_rules(read(NODE), "dev") == SyncRules(((".", "/app"),), ("package.json", "pnpm-lock.yaml"))


def test_nothing_is_synced_when_a_run_follows_the_copy_of_everything() -> None:
    assert sync_rules(read(NODE), "release") == SyncRules((), ("package.json", "pnpm-lock.yaml", "."))


def test_a_stage_has_the_ports_of_the_stages_below_it() -> None:
    dockerfile = read(NODE)
    assert (dockerfile.exposed_by("dev"), dockerfile.exposed_by(None)) == ((8080,), (8080, 80))
    assert dockerfile.exposed_by("nothing") == ()


def test_a_number_that_no_port_has_is_not_exposed() -> None:
    assert read("FROM x\nEXPOSE 0 65536 99999 65535\n").exposed_by(None) == (65535,)


def test_stages_know_their_names_bases_and_lines() -> None:
    told = [(stage.name, stage.base, stage.line) for stage in read(NODE).stages]
    assert told == [("base", "node:22", 2), ("dev", "base", 9), ("release", "base", 12)]
    assert read("FROM --platform=linux/amd64 x as Dev\n").stage("dev") is not None


@pytest.mark.parametrize(
    ("lines", "sync", "rebuild"),
    [
        ("COPY src ./src", [("src", "/app/src")], []),
        ("COPY src/ main.py /srv/", [("src", "/srv"), ("main.py", "/srv/main.py")], []),
        ("COPY main.py .", [("main.py", "/app/main.py")], []),
        ("COPY --chown=1:1 --chmod=644 --link ./a/../b.txt /b.txt", [("b.txt", "/b.txt")], []),
        ('COPY ["a b.txt", "to here/"]', [("a b.txt", "/app/to here/a b.txt")], []),
        ("WORKDIR sub\nCOPY . .", [(".", "/app/sub")], []),
        ("COPY \\\n  # a comment\n\n  src \\\n  lib ./", [("src", "/app"), ("lib", "/app")], []),
        ("ADD src ./src\nADD https://x/y.tgz /y\nADD z.tar.gz /z", [("src", "/app/src")], ["z.tar.gz"]),
        ("COPY ../../etc /etc2", [("etc", "/etc2")], []),
        ("ARG D=x\nCOPY apps/${D} ./", [], ["apps"]),
        ("COPY src $HOME/src", [], ["src"]),
        ("WORKDIR $HOME\nCOPY src .", [], ["src"]),
        ("COPY *.json ./\nRUN x\nCOPY . .", [(".", "/app")], ["*.json"]),
        ("COPY --parents a/b.txt ./", [], ["a/b.txt"]),
        ("COPY src src\nRUN x\nCOPY . .\nCOPY src/a.js b.js", [(".", "/app")], ["src"]),
        ("RUN <<EOF\nCOPY a b\nRUN c\nEOF\nCOPY c.txt .", [("c.txt", "/app/c.txt")], []),
        ("COPY <<EOF /made.txt\nhello\nEOF", [], []),
        ("COPY a.txt .\nRUN echo $((1 << 2))\nCOPY b.txt .", [("b.txt", "/app/b.txt")], ["a.txt"]),
        ("RUN --mount=type=bind,source=uv.lock,target=uv.lock uv sync\nCOPY . .", [(".", "/app")], ["uv.lock"]),
        ("RUN --mount=type=bind,target=. make\nCOPY . .", [], ["."]),
        ("RUN --mount=type=cache,target=/c x\nCOPY . .", [(".", "/app")], []),
        ("COPY main.py /app", [("main.py", "/app/main.py")], []),
        ("WORKDIR web/src\nCOPY main.py /app/web", [("main.py", "/app/web/main.py")], []),
        ("COPY main.py ./..", [("main.py", "/main.py")], []),
        ("COPY src /srv/src\nCOPY main.py /srv", [("src", "/srv/src"), ("main.py", "/srv/main.py")], []),
        ("COPY a.txt /srv/\nCOPY main.py /srv", [("a.txt", "/srv/a.txt"), ("main.py", "/srv/main.py")], []),
        ("COPY main.py /opt", [], ["main.py"]),
        ("COPY dev.ini conf/app.ini", [("dev.ini", "/app/conf/app.ini")], []),
        ("ADD --keep-git-dir=true https://x/y.git#v1 /app/x\nCOPY a.py .", [("a.py", "/app/a.py")], []),
    ],
)
def test_copies_are_synced_or_rebuilt(lines: str, sync: list[tuple[str, str]], rebuild: list[str]) -> None:
    assert sync_rules(read(f"FROM x\nWORKDIR /app\n{lines}\n"), None) == SyncRules(tuple(sync), tuple(rebuild))


def test_a_directory_of_a_stage_below_is_one_in_the_stages_above_it() -> None:
    text = "FROM x AS base\nWORKDIR /app\nFROM base AS dev\nWORKDIR /srv\nCOPY main.py /app\n"
    assert sync_rules(read(text), "dev") == SyncRules((("main.py", "/app/main.py"),))


def test_what_another_stage_builds_from_is_rebuilt() -> None:
    text = "FROM x AS deps\nCOPY package.json /\nRUN i\nFROM x\nWORKDIR /app\nCOPY --from=deps /d .\nCOPY . .\n"
    assert sync_rules(read(text), None) == SyncRules(((".", "/app"),), ("package.json",))
    assert sync_rules(read(text.replace("--from=deps", "--from=0")), None).rebuild_on == ("package.json",)
    assert sync_rules(read(text.replace("--from=deps", "--from=nginx:1")), None).rebuild_on == ()


@pytest.mark.parametrize(
    ("dev", "last", "expected"),
    [
        ("COPY requirements.txt /", "COPY . .", (".",)),  # for the mounts of Docker Compose
        ("CMD dev", "COPY --from=build /dist .", ("package.json", "src")),
        ("COPY src/ /app", "COPY src/a.py lib ./", ("lib",)),
        ("COPY . .", "COPY src .", ()),
        ("COPY src .", "CMD release", ()),
    ],
)
def test_what_the_last_stage_takes_in_and_another_does_not_is_known(
    dev: str, last: str, expected: tuple[str, ...]
) -> None:
    text = f"FROM x AS build\nCOPY package.json src /\nFROM x AS dev\n{dev}\nFROM x\n{last}\n"
    assert missed(read(text), "dev") == expected
    assert missed(read(text), None) == ()


def test_a_relative_destination_without_a_known_directory_is_not_synced() -> None:
    assert sync_rules(read("FROM node:22\nCOPY . .\n"), None) == SyncRules((), (".",))


def test_the_files_themselves_tell_more_than_their_names(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "Makefile").touch()
    (tmp_path / "a.json").touch()
    dockerfile = read("FROM x\nCOPY *.json /j/\nRUN x\nCOPY conf.d Makefile /app/\n")
    assert sync_rules(dockerfile, None, tmp_path) == SyncRules(
        (("conf.d", "/app"), ("Makefile", "/app/Makefile")), ("a.json",)
    )


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("src/**.py", ["src/a.py"]),
        ("src/a**", ["src/a.py"]),
        ("**/a.py", ["src/a.py"]),
        ("src/***", ["src/a.py"]),
        ("src/[", []),
        ("x" * 300 + "/*", []),
    ],
)
def test_wildcards_of_every_kind_that_builders_take_are_resolved(source: str, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    assert sync_rules(read(f"FROM x\nCOPY {source} ./\nRUN y\n"), None, tmp_path) == SyncRules((), tuple(found))


def test_a_name_that_no_file_can_have_is_left_to_the_builder(tmp_path: Path) -> None:
    name = "x" * 300
    assert sync_rules(read(f"FROM x\nCOPY {name} /app/\n"), None, tmp_path) == SyncRules(((name, "/app"),))


def test_another_escape_character_is_honoured() -> None:
    assert read("# escape=`\nFROM x\nEXPOSE `\n 80\n").exposed_by(None) == (80,)


@pytest.mark.parametrize(
    "text", ["", "COPY a b", "FROM", "FROM x\nCOPY a", "FROM x\nCOPY [", "FROM a AS a\nFROM a AS a"]
)
def test_what_is_no_dockerfile_is_left_to_the_builder(text: str) -> None:
    assert sync_rules(read(text), None) == SyncRules()


@pytest.mark.parametrize(
    ("text", "holding"),
    [
        ("COPY package.json lock* ./\nCOPY src src", (".", "package.json", "src")),
        ("COPY src/*.js lib/a/b?.txt ./", ("lib/a", "src")),
        ("COPY apps/${D} ./", ("apps",)),
        ('COPY "src" "./src"', ("src",)),
        ("COPY linked ./\nCOPY src/deep/file ./", (".", "src/deep/file")),
        ("COPY linked/below ./", (".",)),
        ("RUN --mount=type=bind,source=conf/*.toml,target=/c x", ("conf",)),
    ],
)
def test_what_a_build_takes_in_lies_below_paths_that_hold_for_files_yet_to_be_made(
    text: str, holding: tuple[str, ...], tmp_path: Path
) -> None:
    """A build context of these paths alone must not shut out the first file that a pattern matches."""
    (tmp_path / "src").mkdir()
    (tmp_path / "linked").symlink_to("src")
    assert holders(read(f"FROM x\nWORKDIR /srv\n{text}\n"), None, tmp_path) == holding
