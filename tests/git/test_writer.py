"""The writer against real repositories: one commit for many, none for nothing, and nothing of others is lost."""

import os
import shutil
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from harness.repository import FENCE, Meddling, Open, Repository, change, git

from kilter.errors import Busy, Failed, in_one_line
from kilter.gitops.flux import Flux
from kilter.gitops.layout import LEADER, lay_out, parse_leader
from kilter.gitops.message import parse
from kilter.gitops.model import Fence, Refused, Result, Rewritten, Unpublished
from kilter.gitops.publisher import Limits, Publisher
from kilter.gitops.remote import Remote
from kilter.gitops.writer import Writer
from kilter.proc import SubprocessRunner
from kilter.tools import git as git_commands

FOLDER = "apps/acme/shop/prod"
ANEW = '{"number": 0, "holder": ""}\n'  # as docs/how-to/install-the-platform.md has it


def test_an_empty_repository_gets_its_first_commit_and_the_same_leader_adds_no_second(
    repository: Repository, writer: Open
) -> None:
    first = writer()
    assert set(repository.files()) == {".kilter/leader", "README.md", "clusters/default/kilter.yaml"}
    assert repository.message().startswith("Take over as leader 1\n")
    first.close()
    writer(folder="again")
    assert len(repository.commits()) == 1


@pytest.mark.requirement("L3")
def test_a_hundred_waiting_changes_are_one_commit(repository: Repository, writer: Open) -> None:
    opened = writer()
    futures = [opened.submit(change(f"app{number}")) for number in range(100)]
    assert opened.flush() == 100
    receipts = [future.result(0) for future in futures]
    assert len(repository.commits()) == 2
    assert {(receipt.result, receipt.commit) for receipt in receipts} == {(Result.PUBLISHED, repository.commits()[0])}
    assert len(repository.names("apps/")) == 300
    assert len(parse(repository.message())) == 100
    assert opened.flush() == 0


def test_a_change_that_is_there_already_makes_no_commit(repository: Repository, writer: Open) -> None:
    opened = writer()
    for result in (Result.PUBLISHED, Result.UNCHANGED):
        future = opened.submit(change())
        opened.flush()
        assert future.result(0).result is result
        assert future.result(0).commit == repository.commits()[0]
    assert len(repository.commits()) == 2


def test_of_a_batch_only_what_changes_is_in_the_commit(repository: Repository, writer: Open) -> None:
    opened = writer()
    for text in ("a: 1\n", "a: 2\n"):
        futures = [opened.submit(change("same")), opened.submit(change("other", text))]
        opened.flush()
    assert [future.result(0).result for future in futures] == [Result.UNCHANGED, Result.PUBLISHED]
    assert repository.message().startswith("Deploy acme/other/prod\n")


def test_unchanged_is_said_of_the_branch_as_it_is_now(repository: Repository, writer: Open) -> None:
    """Somebody else's edit, of which the writer has not heard, is noticed before anything is answered."""
    opened = writer()
    opened.submit(change())
    opened.flush()
    repository.by_hand({f"{FOLDER}/configmap-a.yaml": "mine\n"}, "Try something")
    future = opened.submit(change())
    opened.flush()
    receipt = future.result(0)
    assert receipt.result is Result.PUBLISHED
    assert receipt.overwritten == (f"{FOLDER}/configmap-a.yaml",)
    assert [(other.author, other.subject) for other in receipt.others] == [("Ann", "Try something")]
    assert f"replaces an edit by others: {FOLDER}/configmap-a.yaml" in repository.message()


def test_a_later_change_takes_the_place_of_a_waiting_one(repository: Repository, writer: Open) -> None:
    opened = writer()
    futures = [opened.submit(change(text=f"a: {number}\n")) for number in range(3)]
    opened.flush()
    assert [future.result(0).result for future in futures] == ["superseded", "superseded", "published"]
    assert repository.files()[f"{FOLDER}/configmap-a.yaml"] == "a: 2\n"
    assert len(repository.commits()) == 2


@pytest.mark.requirement("DP-Q25")
def test_a_removal_leaves_nothing_of_the_env(repository: Repository, writer: Open) -> None:
    opened = writer()
    opened.submit(change())
    opened.submit(change(env="dev"))
    opened.flush()
    before = repository.names()
    future = opened.submit(change(env="dev", files=None))
    opened.flush()
    assert future.result(0).result is Result.PUBLISHED
    assert repository.names() == [path for path in before if "dev" not in path]
    again = opened.submit(change(env="dev", files=None))
    opened.flush()
    assert again.result(0).result is Result.UNCHANGED


@pytest.mark.requirement("F31")
def test_commits_and_files_of_others_stay(repository: Repository, writer: Open) -> None:
    opened = writer()
    theirs = [
        repository.by_hand({"docs/notes.md": "mine\n", f"{FOLDER}/mine.yaml": "mine\n", "-rf": "x\n"}, "Add notes")
    ]
    future = opened.submit(change())
    opened.flush()
    theirs.append(repository.by_hand({"clusters/default/extra.yaml": "mine\n"}, "Add more"))
    opened.submit(change(text="a: 2\n"))
    opened.flush()
    files = repository.files()
    assert set(theirs) < set(repository.commits())
    assert [files[path] for path in ("docs/notes.md", f"{FOLDER}/mine.yaml", "clusters/default/extra.yaml")] == [
        "mine\n"
    ] * 3
    assert files["-rf"] == "x\n"
    assert future.result(0).foreign == (f"{FOLDER}/mine.yaml",)
    assert [other.subject for other in future.result(0).others] == ["Add notes"]
    assert repository.is_sound()


def test_a_repository_that_others_made_is_taken_as_it_is(repository: Repository, writer: Open, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git("clone", "--quiet", repository.path, work)
    (work / "readme").write_text("theirs\n")
    (work / "link").symlink_to("/etc/passwd")
    git("add", ".", cwd=work)
    git("commit", "--quiet", "-m", "One", cwd=work)
    git("push", "--quiet", "origin", "HEAD:main", cwd=work)
    writer()
    assert set(repository.names()) == {".kilter/leader", "clusters/default/kilter.yaml", "link", "readme"}
    assert len(repository.commits()) == 2


@pytest.mark.requirement("A5")
def test_one_change_that_cannot_be_written_keeps_no_other_from_it(repository: Repository, writer: Open) -> None:
    opened = writer()
    repository.by_hand({"apps/acme/blocked": "theirs\n"})
    futures = [opened.submit(change(app)) for app in ("one", "blocked", "two")]
    futures.append(opened.submit(change("three", namespace="acme-one-prod")))
    opened.flush()
    assert [future.result(0).result for future in (futures[0], futures[2])] == [Result.PUBLISHED] * 2
    with pytest.raises(Refused, match="apps/acme/blocked stands in the way"):
        futures[1].result(0)
    with pytest.raises(Refused, match="acme/one/prod has the same namespace"):
        futures[3].result(0)
    assert repository.files()["apps/acme/blocked"] == "theirs\n"


@pytest.mark.requirement("SC-Q2", "DP-Q24")
def test_what_was_written_can_be_read_back_also_from_an_older_commit(repository: Repository, writer: Open) -> None:
    opened = writer()
    commits = []
    for text in ("a: ü\r\n", "a: 2\n"):
        future = opened.submit(change(text=text, beside={"kilterapp.yaml": "kind: KilterApp\n"}))
        opened.flush()
        commits.append(future.result(0).commit)
    repository.by_hand({f"{FOLDER}/mine.yaml": "mine\n"})
    beside = {"kilterapp.yaml": "kind: KilterApp\n"}
    assert opened.files("acme", "shop", "prod") == {"configmap-a.yaml": "a: 2\n"} | beside
    assert opened.files("acme", "shop", "prod", commits[0]) == {"configmap-a.yaml": "a: ü\r\n"} | beside
    assert opened.files("acme", "shop", "none") == {}
    opened.close()
    other = writer(folder="other")  # a clone that has not seen that commit
    assert other.files("acme", "shop", "prod", commits[0]) == {"configmap-a.yaml": "a: ü\r\n"} | beside
    with pytest.raises(Unpublished):
        other.files("acme", "shop", "prod", "0" * 40)
    with pytest.raises(Refused, match="is no commit"):
        other.files("acme", "shop", "prod", "main:refs/heads/x")


@pytest.mark.requirement("F40")
def test_a_survey_names_every_env_and_what_others_changed_in_it(repository: Repository, writer: Open) -> None:
    opened = writer()
    assert opened.survey() == {}
    for app in ("one", "two"):
        opened.submit(change(app))
    opened.flush()
    repository.by_hand({"apps/acme/two/prod/configmap-a.yaml": "mine\n", "apps/x/y/z/mine.yaml": "mine\n"})
    assert opened.survey() == {
        "acme/one/prod": (),
        "acme/two/prod": ("apps/acme/two/prod/configmap-a.yaml",),
        "x/y/z": ("apps/x/y/z/mine.yaml",),
    }


def refuse_pushes(repository: Repository) -> Path:
    hook = repository.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho only on weekdays >&2\nexit 1\n")
    hook.chmod(0o755)
    return hook


def move_away(repository: Repository) -> Path:
    return repository.path.rename(repository.path.with_suffix(".gone"))


def test_a_repository_that_stays_out_of_reach_is_told_of_in_the_same_words(
    repository: Repository, writer: Open
) -> None:
    """Whoever tells a reason once, tells it again where it differs."""
    opened = writer()
    move_away(repository)
    told = set[str]()
    for _ in range(3):
        future = opened.submit(change())
        opened.flush()
        with pytest.raises(Unpublished) as caught:
            future.result(0)
        told.add(in_one_line(caught.value))
    assert len(told) == 1


@pytest.mark.requirement("F32")
@pytest.mark.parametrize("break_it", [refuse_pushes, move_away])
def test_what_could_not_be_published_can_be_submitted_again(
    repository: Repository, writer: Open, break_it: Callable[[Repository], Path]
) -> None:
    opened = writer()
    path = repository.path
    broken = break_it(repository)
    future = opened.submit(change())
    opened.flush()
    with pytest.raises(Unpublished) as caught:
        future.result(0)
    assert caught.value.why
    assert caught.value.hint
    if broken.name == "pre-receive":
        assert "declined" in caught.value.why
        assert "only on weekdays" in caught.value.why
        broken.unlink()
    else:
        broken.rename(path)
    assert len(repository.commits()) == 1
    again = opened.submit(change())
    opened.flush()
    assert again.result(0).result is Result.PUBLISHED


@pytest.mark.requirement("F32")
@pytest.mark.parametrize("deleted", [False, True])
def test_a_rewritten_history_needs_a_person(repository: Repository, writer: Open, deleted: bool) -> None:
    opened = writer()
    opened.submit(change())
    opened.flush()
    if deleted:
        git("update-ref", "-d", "refs/heads/main", cwd=repository.path)
    else:
        git("update-ref", "refs/heads/main", "main^", cwd=repository.path)
    future, waiting = opened.submit(change(text="a: 2\n")), None
    opened.flush()
    with pytest.raises(Rewritten) as caught:
        future.result(0)
    assert "restart the operator" in caught.value.hint
    with pytest.raises(Rewritten):
        waiting = opened.submit(change())
    assert waiting is None
    assert git("for-each-ref", cwd=repository.path).count("refs/heads/main") == (0 if deleted else 1)
    assert deleted or len(repository.commits()) == 1


@pytest.mark.requirement("F32")
@pytest.mark.parametrize("pruned", [False, True])
def test_a_history_rewritten_behind_a_broken_clone_is_noticed_all_the_same(
    repository: Repository, writer: Open, pruned: bool
) -> None:
    opened = writer()
    opened.submit(change())
    opened.flush()
    git("update-ref", "refs/heads/main", "main^", cwd=repository.path)
    repository.by_hand({"x": "x\n"})
    if pruned:
        git("gc", "--quiet", "--prune=now", cwd=repository.path)
    for clone in clones(opened):
        shutil.rmtree(clone)
    future = opened.submit(change(text="a: 2\n"))
    opened.flush()
    with pytest.raises(Rewritten):
        future.result(0)


@pytest.mark.requirement("F32")
@pytest.mark.parametrize("is_rewritten", [False, True])
def test_a_broken_clone_is_made_anew_from_a_server_that_gives_out_heads_of_branches_alone(
    repository: Repository, writer: Open, monkeypatch: pytest.MonkeyPatch, is_rewritten: bool
) -> None:
    """As servers do that know version 0 of Git's protocol, and no later one."""
    monkeypatch.setattr(git_commands, "_ALWAYS", {**git_commands._ALWAYS, "protocol.version": "0"})
    opened = writer()
    opened.submit(change())
    opened.flush()
    if is_rewritten:
        git("update-ref", "refs/heads/main", "main^", cwd=repository.path)
    repository.by_hand({"x": "x\n"})
    for clone in clones(opened):
        shutil.rmtree(clone)
    future = opened.submit(change(text="a: 2\n"))
    opened.flush()
    with pytest.raises(Rewritten) if is_rewritten else nullcontext():
        assert future.result(0).result is Result.PUBLISHED


def test_a_repository_with_other_branches_only_is_not_written_to(
    repository: Repository, writer: Open, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    git("clone", "--quiet", repository.path, work)
    git("commit", "--quiet", "--allow-empty", "-m", "One", cwd=work)
    git("push", "--quiet", "origin", "HEAD:master", cwd=work)
    with pytest.raises(Unpublished) as caught:
        writer()
    assert "has no branch main: it has master" in caught.value.why
    assert "main" not in git("for-each-ref", cwd=repository.path)


def clones(opened: Writer) -> list[Path]:
    return sorted(opened._folder.glob("clone-*"))


def lose_objects(clone: Path) -> None:
    shutil.rmtree(clone / "objects")


def lose_the_folder(clone: Path) -> None:
    shutil.rmtree(clone)


def leave_locks(clone: Path) -> None:
    for name in ("refs/kilter/head.lock", "refs/kilter/work.lock", "shallow.lock", "packed-refs.lock", "HEAD.lock"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).touch()


def spoil_objects(clone: Path) -> None:
    for file in (clone / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"spoilt")


@pytest.mark.requirement("F23")
@pytest.mark.parametrize("damage", [lose_objects, lose_the_folder, leave_locks, spoil_objects])
def test_a_broken_clone_is_thrown_away_and_made_anew(
    repository: Repository, writer: Open, damage: Callable[[Path], None]
) -> None:
    opened = writer()
    opened.submit(change())
    opened.flush()
    (clone,) = clones(opened)
    damage(clone)
    theirs = repository.by_hand({"notes": "mine\n"})
    future = opened.submit(change(text="a: 2\n"))
    opened.flush()
    assert future.result(0).result is Result.PUBLISHED
    assert repository.files()[f"{FOLDER}/configmap-a.yaml"] == "a: 2\n"
    assert theirs in repository.commits()
    assert clone not in clones(opened)
    assert len(clones(opened)) == 1
    assert repository.is_sound()


def test_a_clone_is_made_anew_after_so_many_commits(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    publisher = Publisher(SubprocessRunner(), Remote(repository.url), folder, FENCE, Flux(), Limits(commits=2))
    publisher.claim()
    seen = set()
    for number in range(6):
        publisher.publish([lay_out(change(text=f"a: {number}\n"), Flux())])
        seen |= {path.name for path in folder.iterdir()}
    assert len(seen) == 4
    assert len(list(folder.iterdir())) == 1
    assert len(repository.commits()) == 7


@pytest.mark.requirement("F23")
def test_a_push_whose_answer_was_lost_counts_once(repository: Repository, writer: Open) -> None:
    runner = Meddling()
    opened = writer(runner=runner)

    def lose() -> None:
        runner.after.clear()
        raise Failed("the connection broke")

    runner.after["push"] = lose
    future = opened.submit(change())
    opened.flush()
    assert future.result(0).result is Result.PUBLISHED
    assert future.result(0).commit == repository.commits()[0]
    assert len(repository.commits()) == 2


@pytest.mark.requirement("F31")
def test_a_branch_that_moves_during_a_push_is_followed(repository: Repository, writer: Open) -> None:
    runner, moves = Meddling(), list[str]()
    opened = writer(runner=runner)
    pushed = runner.pushes()

    def move() -> None:
        if len(moves) < 3:
            moves.append(repository.by_hand({f"theirs/{len(moves)}": "x\n"}))

    runner.before["push"] = move
    future = opened.submit(change())
    opened.flush()
    assert len(moves) == 3
    assert runner.pushes() - pushed == 4
    assert len(future.result(0).others) == 3
    assert len(repository.commits()) == 5
    assert set(moves) < set(repository.commits())


def test_a_folder_has_one_writer_and_left_over_clones_go(repository: Repository, writer: Open, tmp_path: Path) -> None:
    left = tmp_path / "writers" / "mine" / "clone-left"
    left.mkdir(parents=True)
    opened = writer(folder="mine")
    assert not left.exists()
    with pytest.raises(Busy, match="another process writes to Git"):
        writer(Fence(2, "b"), folder="mine")
    opened.close()
    writer(Fence(2, "b"), folder="mine")


def test_changes_that_come_from_many_threads_are_gathered(repository: Repository, writer: Open) -> None:
    opened = writer()
    loop = threading.Thread(target=opened.run)
    loop.start()
    futures = []

    def submit(number: int) -> None:
        futures.append(opened.submit(change(f"app{number}")))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {future.result(30).result for future in futures} == {Result.PUBLISHED}
    assert len(repository.names("apps/")) == 180
    assert len(repository.commits()) < 30
    opened.close()
    loop.join(10)
    assert not loop.is_alive()


def test_closing_publishes_what_waits_and_takes_no_more(repository: Repository, writer: Open) -> None:
    opened = writer()
    future = opened.submit(change())
    opened.close()
    assert future.result(0).result is Result.PUBLISHED
    with pytest.raises(Unpublished, match="being closed"):
        opened.submit(change())
    assert clones(opened) == []


def test_a_cancelled_change_is_not_written(repository: Repository, writer: Open) -> None:
    opened = writer()
    assert opened.submit(change()).cancel()
    assert opened.flush() == 0
    assert len(repository.commits()) == 1


def test_an_unforeseen_fault_reaches_everybody_who_waits(repository: Repository, writer: Open) -> None:
    runner = Meddling()
    opened = writer(runner=runner)

    def fail() -> None:
        raise RuntimeError("a fault of ours")

    runner.before["fast-import"] = fail
    future = opened.submit(change())
    with pytest.raises(RuntimeError):
        opened.flush()
    with pytest.raises(RuntimeError):
        future.result(0)
    with pytest.raises(RuntimeError):
        opened.submit(change())


def test_over_ssh_the_named_key_and_hosts_are_used_and_nothing_of_the_user(
    repository: Repository, writer: Open, tmp_path: Path
) -> None:
    """With a stand-in for ssh that notes its words and runs the wanted command here."""
    folder, log = tmp_path / "bin", tmp_path / "words"
    folder.mkdir()
    stand_in = folder / "ssh"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nfor last; do :; done\nexec sh -c "$last"\n')
    stand_in.chmod(0o755)
    key = tmp_path / "it's a key"
    remote = Remote(f"ssh://git@example.org{repository.path}", key=key, known_hosts=tmp_path / "hosts")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    opened = writer(runner=SubprocessRunner({"PATH": path, "GIT_SSH_COMMAND": "false"}), remote=remote)
    future = opened.submit(change())
    opened.flush()
    assert future.result(0).result is Result.PUBLISHED
    words = log.read_text().splitlines()
    assert words[words.index("-i") + 1] == str(key)
    assert {"BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "/dev/null"} < set(words)
    assert f"UserKnownHostsFile={tmp_path}/hosts" in words
    assert "git@example.org" in words


@pytest.mark.requirement("DP-19", "F33")
def test_a_leader_knows_what_is_part_of_what_also_of_commits_before_its_time_and_by_others(
    repository: Repository, writer: Open
) -> None:
    first = writer()
    for text in ("a: 0\n", "a: 1\n"):
        first.submit(change(text=text))
        first.flush()
    _, earlier, claimed = repository.commits()
    first.close()
    second = writer(Fence(2, "operator-b"))
    assert second.contains(repository.commits()[0], earlier)
    others = [repository.by_hand({"notes.md": text}) for text in ("one\n", "two\n")]
    second.submit(change(text="a: 2\n"))
    second.flush()
    own = repository.commits()[0]
    assert second.contains(own, own)
    assert [second.contains(own, commit) for commit in (earlier, *others)] == [True, True, True]
    assert [second.contains(commit, own) for commit in others] == [False, False]
    assert second.contains(others[0], earlier)
    assert not second.contains(earlier, own)
    assert second.contains(earlier, claimed)
    with pytest.raises(Unpublished, match="nobody here knows"):
        second.contains("0" * 40, "1" * 40)


@pytest.mark.requirement("DP-19", "F32", "F33")
def test_a_commit_that_was_lost_by_a_rewrite_or_is_of_another_repository_is_part_of_nothing(
    repository: Repository, writer: Open
) -> None:
    first = writer()
    kept, lost = (published(first, text) for text in ("a: 1\n", "a: 2\n"))
    first.close()
    git("update-ref", "refs/heads/main", kept, cwd=repository.path)
    second = writer(Fence(2, "operator-b"))
    head = repository.commits()[0]
    assert [second.contains(head, commit) for commit in (kept, lost, "0" * 40)] == [True, False, False]


@pytest.mark.requirement("DP-19", "F33")
def test_how_an_old_commit_lies_is_asked_of_the_repository_once(repository: Repository, writer: Open) -> None:
    first = writer()
    old = published(first)
    for number in range(3):
        repository.by_hand({"notes.md": f"{number}\n"})
    first.close()
    runner = Meddling()
    second = writer(Fence(2, "operator-b"), runner)
    heads = [repository.commits()[0], published(second, "a: 2\n")]
    assert [second.contains(head, old) for head in reversed(heads)] == [True, True]
    asked = len(runner.seen)
    assert [second.contains(head, old) for head in heads] == [True, True]
    assert len(runner.seen) == asked


@pytest.mark.requirement("F32", "F40")
@pytest.mark.parametrize("there", [{}, {"docs/notes.md": "theirs\n"}])
def test_a_branch_on_which_no_operator_ever_led_is_not_taken_while_apps_are_published_elsewhere(
    repository: Repository, tmp_path: Path, there: dict[str, str]
) -> None:
    if there:
        repository.begin(there)
    before = git("for-each-ref", cwd=repository.path)
    opened = Writer(SubprocessRunner(), Remote(repository.url), tmp_path / "w", FENCE)
    with pytest.raises(Unpublished) as caught:
        opened.open(anew=False)
    assert "main" in caught.value.what
    assert "git push --mirror" in caught.value.hint
    assert git("for-each-ref", cwd=repository.path) == before, "Flux would remove all that runs"
    opened.close()


@pytest.mark.requirement("F32", "F40")
def test_a_branch_on_which_an_operator_led_is_taken_over_while_apps_are_published(
    repository: Repository, writer: Open, tmp_path: Path
) -> None:
    writer().close()
    following = Writer(SubprocessRunner(), Remote(repository.url), tmp_path / "w", Fence(2, "operator-b"))
    following.open(anew=False)
    following.close()
    assert len(repository.commits()) == 2


@pytest.mark.requirement("F32", "F40")
def test_a_branch_that_lost_its_leader_and_not_its_apps_is_taken_while_they_are_published(
    repository: Repository, tmp_path: Path
) -> None:
    repository.begin({"apps/acme/shop/dev/app.yaml": "a: 1\n"})
    opened = Writer(SubprocessRunner(), Remote(repository.url), tmp_path / "w", FENCE)
    opened.open(anew=False)
    opened.close()
    assert parse_leader(repository.files()[LEADER].encode()) == FENCE


@pytest.mark.requirement("F32", "F40")
def test_the_leader_that_the_pages_tell_to_commit_has_a_branch_begun_anew(
    repository: Repository, tmp_path: Path
) -> None:
    repository.begin({LEADER: ANEW})
    opened = Writer(SubprocessRunner(), Remote(repository.url), tmp_path / "w", FENCE)
    opened.open(anew=False)
    opened.close()
    assert parse_leader(repository.files()[LEADER].encode()) == FENCE


def published(opened: Writer, text: str = "a: 1\n") -> str:
    """Publish a deploy and return its commit."""
    future = opened.submit(change(text=text))
    opened.flush()
    return future.result(0).commit
