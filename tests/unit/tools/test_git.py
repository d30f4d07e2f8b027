"""Commands for git, compared whole, and the readers of its answers."""

from pathlib import Path

import pytest

from kilter.proc import Command, Secret
from kilter.tools.git import (
    Draft,
    Edit,
    Entry,
    Git,
    Log,
    ids,
    is_id,
    parse_changes,
    parse_contents,
    parse_files,
    parse_heads,
    parse_log,
    parse_push,
    plain,
    stream,
)

GIT = Git(Path("/clone"), {"protocol.https.allow": "always"})
A, B = "a" * 40, "b" * 40
DIRECT = ("git", "--git-dir=/clone")


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (
            GIT.init("main"),
            ("git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", "/clone"),
        ),
        (GIT.heads("r"), (*DIRECT, "ls-remote", "--heads", "--quiet", "--", "r")),
        (GIT.fetch("r"), (*DIRECT, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", "r")),
        (
            GIT.fetch("r", "x:y", depth=1),
            (*DIRECT, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--depth=1", "--", "r", "x:y"),
        ),
        (GIT.resolve("r"), (*DIRECT, "rev-parse", "--verify", "--quiet", "--end-of-options", "r^{commit}")),
        (GIT.has(A), (*DIRECT, "cat-file", "-e", f"{A}^{{commit}}")),
        (GIT.files(A), (*DIRECT, "ls-tree", "-r", "-z", "--full-tree", A, "--")),
        (GIT.files(A, "x/"), (*DIRECT, "ls-tree", "-r", "-z", "--full-tree", A, "--", "x/")),
        (GIT.changes(A, B), (*DIRECT, "diff-tree", "-r", "-z", "--raw", "--no-renames", A, B, "--")),
        (GIT.contents(), (*DIRECT, "cat-file", "--batch")),
        (GIT.follows(A, B), (*DIRECT, "merge-base", "--is-ancestor", A, B)),
        (GIT.log(A, B, 5), (*DIRECT, "log", "-z", "--max-count=5", "--format=%H%x1f%an%x1f%s", f"{A}..{B}", "--")),
        (GIT.commit(Draft(A, "m", "k", 1, ()), "r"), (*DIRECT, "fast-import", "--quiet", "--force")),
        (
            GIT.push("r", A, "main"),
            (*DIRECT, "push", "--porcelain", "--no-verify", "--no-follow-tags", "--", "r", f"{A}:refs/heads/main"),
        ),
        (GIT.collect(), (*DIRECT, "gc", "--auto", "--quiet")),
        (GIT.http_backend({}, 5), ("git", "http-backend")),
    ],
)
def test_each_command_is_this_and_nothing_else(command: Command, argv: tuple[str, ...]) -> None:
    assert command.argv == argv


@pytest.mark.requirement("A8")
def test_a_push_is_never_forced() -> None:
    words = GIT.push("r", A, "main").argv
    assert not [word for word in words if "force" in word or word.startswith(("+", "-f", ":"))]


def test_nothing_of_the_machine_or_the_user_plays_a_part() -> None:
    seen = GIT.environment()
    assert (seen["GIT_CONFIG_NOSYSTEM"], seen["GIT_CONFIG_GLOBAL"]) == ("1", "/dev/null")
    assert (seen["GIT_TERMINAL_PROMPT"], seen["GIT_ASKPASS"], seen["HOME"]) == ("0", "", "/clone")
    for name in (
        "GIT_DIR",
        "GIT_SSH_COMMAND",
        "GIT_CONFIG_PARAMETERS",
        "GIT_TRACE_CURL",
        "SSH_ASKPASS",
        "GIT_EXEC_PATH",
    ):
        assert name in seen
        assert seen[name] is None


def test_settings_are_numbered_and_come_after_kilters_own() -> None:
    seen = Git(Path("/x"), {"core.fsync": "all", "gc.auto": "5"}).environment()
    count = int(str(seen["GIT_CONFIG_COUNT"]))
    settings = {seen[f"GIT_CONFIG_KEY_{n}"]: seen[f"GIT_CONFIG_VALUE_{n}"] for n in range(count)}
    assert len(settings) == count
    assert settings["core.hooksPath"] == "/dev/null"
    assert settings["protocol.allow"] == "never"
    assert (settings["gc.auto"], settings["core.fsync"]) == ("5", "all")


@pytest.mark.requirement("C16")
def test_a_credential_is_in_the_environment_as_a_secret_alone() -> None:
    command = Git(Path("/x"), {"http.https://h.extraHeader": Secret("Authorization: Basic canary")}).heads("https://h")
    assert "canary" not in repr(command)
    assert "canary" not in str(command)
    assert Secret("Authorization: Basic canary") in command.env.values()


def test_a_draft_in_the_language_of_fast_import() -> None:
    draft = Draft(A, "Größe\n", "k <k@l>", 5, (Edit("a/b.yaml", "ä\r\n"), Edit("c", None)))
    assert stream(draft, "refs/x") == (
        "feature done\ncommit refs/x\nmark :1\ncommitter k <k@l> 5 +0000\n"
        f"data 8\nGröße\n\nfrom {A}\nM 100644 inline a/b.yaml\ndata 4\nä\r\n\nD c\n\nget-mark :1\ndone\n"
    )
    assert "\nfrom " not in stream(Draft("", "m", "k <k@l>", 5, ()), "refs/x")


@pytest.mark.parametrize("path", ['a"b', "a\nb", '"a'])
def test_a_path_that_fast_import_would_read_otherwise_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        stream(Draft("", "m", "k", 5, (Edit(path, ""),)), "refs/x")


def test_files_and_changes_are_read() -> None:
    assert parse_files(f"100644 blob {A}\ta b/c\x00120000 blob {B}\td\te\x00") == {
        "a b/c": Entry("100644", A),
        "d\te": Entry("120000", B),
    }
    assert parse_files("") == {}
    said = f":000000 100644 {'0' * 40} {A} A\0new\0:100644 000000 {B} {'0' * 40} D\0old\0:100644 120000 {A} {B} T\0l\0"
    assert parse_changes(said) == {"new": Entry("100644", A), "old": None, "l": Entry("120000", B)}
    assert parse_changes("") == {}


def test_contents_are_read_whatever_they_hold() -> None:
    tricky = f"{B} blob 3\nx\r\n".encode()
    said = f"{A} blob {len(tricky)}\n".encode() + tricky + f"\n{'c' * 40} missing\n{B} blob 0\n\n".encode()
    assert parse_contents(said) == {A: tricky, B: b""}
    assert b"".join(ids([A, B])) == f"{A}\n{B}\n".encode()


def test_heads_and_history_are_read_and_made_plain() -> None:
    assert parse_heads(f"{A}\trefs/heads/main\n{B}\trefs/heads/a/b\n") == {"main": A, "a/b": B}
    assert parse_heads("") == {}
    assert parse_log(f"{A}\x1fann\x1b[31m\x1fsubject\x1fmore\x00{B}\x1f\x1f\x00") == (
        Log(A, "ann?[31m", "subject?more"),
        Log(B, "", ""),
    )
    assert plain("x" * 300) == "x" * 120


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ("To https://h\n \ta:refs/heads/main\tb..a\nDone\n", ""),
        ("To https://h\n*\ta:refs/heads/main\t[new branch]\nDone\n", ""),
        ("To https://h\n=\ta:refs/heads/main\t[up to date]\nDone\n", ""),
        ("To https://h\n!\ta:refs/heads/main\t[rejected] (fetch first)\nDone\n", "[rejected] (fetch first)"),
        ("To x\n!\ta:b\t[remote rejected] (hook declined\x1b)\n", "[remote rejected] (hook declined?)"),
        ("To https://h\n", "the answer was cut off"),
        ("", "the answer was cut off"),
    ],
)
def test_the_answer_to_a_push_is_taken_or_a_reason(said: str, refusal: str) -> None:
    assert parse_push(said) == refusal


def test_what_a_server_says_of_its_rules_follows_its_refusal() -> None:
    said = "To x\n!\ta:b\t[remote rejected] (protected branch hook declined)\n"
    beside = (
        "remote: error: GH006: Protected branch update failed.        \nremote: \nerror: failed to push some refs\n"
    )
    refusal = "[remote rejected] (protected branch hook declined): error: GH006: Protected branch update failed."
    assert parse_push(said, beside) == refusal
    assert parse_push("To x\n*\ta:b\t[new branch]\nDone\n", "remote: Create a pull request by visiting\n") == ""


def test_a_commit_id_is_forty_digits() -> None:
    assert is_id(A)
    assert not is_id(A + "\n")
    assert not is_id("main")
