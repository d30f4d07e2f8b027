import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from stat import S_ISDIR

import pytest
from fakes import FakeRunner

from kilter.errors import BadInput, Failed, MachineLacks
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools import download as module
from kilter.tools import provision
from kilter.tools.download import Answer, FolderSource, NoSuchFile, WebSource, check_url, checksum_in, extract, fetch
from kilter.tools.provision import installed, origin, provide
from kilter.tools.versions import HELM, KIND, KUBECTL, TILT, Platform, Tool

HERE: Platform = ("linux", "amd64")
BINARY = b"#!/bin/true\n" * 1000


@pytest.fixture(autouse=True)
def platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "this_platform", lambda: HERE)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "cache")


@pytest.fixture
def bring(paths: Paths, tmp_path: Path) -> Callable[..., Path]:
    """Provide a tool from a mirror folder, with nothing on PATH unless the test puts it there."""

    def brought(tool: Tool, runner: FakeRunner | None = None, **env: str) -> Path:
        settings = {"PATH": "", "KILTER_TOOLS_MIRROR": str(tmp_path / "mirror"), **env}
        return provide(tool, runner or FakeRunner(), paths, settings, Recorder())

    return brought


def put(root: Path, tool: Tool, content: bytes, sum_: str | None = None, at: Platform = HERE) -> Path:
    """Put a file and its checksum file into a mirror, as upstream names them."""
    name = tool.files[at].rpartition("/")[2]
    folder = root / "mirror" / tool.name / f"v{tool.version}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    line = f"{sum_ or hashlib.sha256(content).hexdigest()}  {name}\n"
    (folder / tool.checksums.format(file=name)).write_text("0" * 64 + "  another\n" + line)
    return folder / name


def packed(member: str, content: bytes = BINARY) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in ("../../escaped", "LICENSE", member):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.requirement("LC-Q3")
@pytest.mark.parametrize(
    ("tool", "content"),
    [(KIND, BINARY), (KUBECTL, BINARY), (TILT, packed("tilt")), (HELM, packed("linux-amd64/helm"))],
    ids=["kind", "kubectl", "tilt", "helm"],
)
def test_a_tool_is_brought_from_a_mirror_folder(
    bring: Callable[..., Path], paths: Paths, tmp_path: Path, tool: Tool, content: bytes
) -> None:
    file = put(tmp_path, tool, content)
    path = bring(tool)
    assert path == paths.tools_dir / tool.name / tool.version / tool.name
    assert path.read_bytes() == BINARY
    assert path.stat().st_mode & 0o111
    receipt = json.loads((path.parent / "receipt.json").read_text())
    assert (receipt["url"], receipt["sha256"]) == (str(file), hashlib.sha256(content).hexdigest())
    assert {entry.name for entry in path.parent.iterdir()} == {"receipt.json", tool.name}
    assert not (tmp_path / "escaped").exists()


def test_a_download_reads_as_a_title_and_its_size(paths: Paths, tmp_path: Path) -> None:
    put(tmp_path, KIND, BINARY)
    progress = Recorder()
    provide(KIND, FakeRunner(), paths, {"PATH": "", "KILTER_TOOLS_MIRROR": str(tmp_path / "mirror")}, progress)
    title = f"download kind {KIND.version}"
    assert progress.lines[0] == f"step: {title}"
    assert progress.lines[-1] == f"{title}: done: 12 KiB"


def test_an_installed_copy_is_used_without_the_mirror_or_a_process(bring: Callable[..., Path], tmp_path: Path) -> None:
    put(tmp_path, KIND, BINARY)
    first = bring(KIND)
    assert bring(KIND, KILTER_TOOLS_MIRROR=str(tmp_path / "gone")) == first


def test_a_copy_for_another_platform_never_takes_the_place_of_this_machines_own(paths: Paths, tmp_path: Path) -> None:
    mirror = {"PATH": "", "KILTER_TOOLS_MIRROR": str(tmp_path / "mirror")}
    other: Platform = ("linux", "arm64")
    for at, content in ((HERE, b"here"), (other, b"there")):
        put(tmp_path, HELM, packed(HELM.member[at], content), at=at)
    there = provision.bring(HELM, other, paths, mirror, Recorder())
    assert (there.read_bytes(), installed(HELM, paths)) == (b"there", None)
    assert provide(HELM, FakeRunner(), paths, mirror, Recorder()).read_bytes() == b"here"
    assert provision.bring(HELM, HERE, paths, {}, Recorder()) == installed(HELM, paths)
    assert provision.bring(HELM, other, paths, {}, Recorder()) == there


def test_a_copy_without_a_receipt_is_not_trusted(bring: Callable[..., Path], paths: Paths, tmp_path: Path) -> None:
    put(tmp_path, KIND, BINARY)
    path = bring(KIND)
    path.write_bytes(b"half")
    (path.parent / "receipt.json").unlink()
    assert installed(KIND, paths) is None
    assert bring(KIND).read_bytes() == BINARY


def test_a_wrong_checksum_names_both_sums_and_leaves_nothing(
    bring: Callable[..., Path], paths: Paths, tmp_path: Path
) -> None:
    put(tmp_path, KIND, BINARY, "f" * 64)
    with pytest.raises(Failed, match="not what its publisher says") as caught:
        bring(KIND)
    assert "f" * 64 in caught.value.why
    assert hashlib.sha256(BINARY).hexdigest() in caught.value.why
    assert list((paths.tools_dir / "kind" / "0.33.0").iterdir()) == []


PAGE = b"<html>please log in to the hotel's network</html>"


@pytest.mark.requirement("F16")
def test_what_an_earlier_attempt_left_of_another_file_is_fetched_anew(
    bring: Callable[..., Path], paths: Paths, tmp_path: Path
) -> None:
    """The beginning is of a network that asked for a login; the publisher is not to blame."""
    file = put(tmp_path, KIND, BINARY)
    folder = paths.tools_dir / "kind" / KIND.version
    folder.mkdir(parents=True)
    (folder / f"{file.name}.part").write_bytes(PAGE)
    assert bring(KIND).read_bytes() == BINARY


@pytest.mark.requirement("F16")
def test_a_file_whose_checksum_is_unknown_is_not_gone_on_with(
    bring: Callable[..., Path], paths: Paths, tmp_path: Path
) -> None:
    file = put(tmp_path, KIND, PAGE)
    sums = file.with_name(f"{file.name}.sha256sum")
    sums.write_bytes(PAGE)
    with pytest.raises(Failed, match="says nothing of") as caught:
        bring(KIND)
    assert "KILTER_TOOLS_MIRROR" in caught.value.hint
    assert list((paths.tools_dir / "kind" / KIND.version).iterdir()) == []


def test_a_pinned_checksum_goes_before_the_published_one(bring: Callable[..., Path], tmp_path: Path) -> None:
    put(tmp_path, KIND, BINARY)
    with pytest.raises(Failed, match="not what its publisher says"):
        bring(replace(KIND, sha256={HERE: "a" * 64}))


def test_a_checksum_file_that_does_not_name_the_file_is_a_failure(bring: Callable[..., Path], tmp_path: Path) -> None:
    file = put(tmp_path, KIND, BINARY)
    file.with_name(f"{file.name}.sha256sum").write_text("nothing here\n")
    with pytest.raises(Failed, match="says nothing of kind-linux-amd64"):
        bring(KIND)


@pytest.mark.requirement("LC-Q3")
def test_a_tool_that_cannot_be_had_names_what_was_tried(bring: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match=r"kind 0\.33\.0 could not be had") as caught:
        bring(KIND)
    assert "KILTER_TOOLS_MIRROR" in caught.value.hint
    assert caught.value.details[0] == "tried: not on PATH"
    assert str(tmp_path / "mirror" / "kind" / "v0.33.0" / "kind-linux-amd64") in caught.value.details[1]


def on_path(tmp_path: Path) -> Path:
    binary = tmp_path / "bin" / "kind"
    binary.parent.mkdir()
    binary.write_text("a program\n")
    binary.chmod(0o755)
    return binary


def test_a_fitting_tool_on_path_is_used_and_asked_only_once(bring: Callable[..., Path], tmp_path: Path) -> None:
    binary = on_path(tmp_path)
    runner = FakeRunner({(str(binary), "version"): "kind v0.33.1 go1.25.0 linux/amd64\n"})
    assert bring(KIND, runner, PATH=str(binary.parent)) == binary
    assert bring(KIND, runner, PATH=str(binary.parent)) == binary
    (asked,) = runner.commands
    assert (asked.env["KUBECONFIG"], asked.env["KUBERC"]) == ("/dev/null", "off"), "nothing of the user's"
    assert (asked.env["TILT_DISABLE_ANALYTICS"], asked.env["DO_NOT_TRACK"]) == ("1", "1"), "and nothing to others"
    binary.write_text("another program\n")
    bring(KIND, runner, PATH=str(binary.parent))
    assert len(runner.commands) == 2


@pytest.mark.parametrize("answer", ["kind v0.32.0 go1.25.0\n", "nonsense", Outcome(1, "", "boom")])
def test_another_tool_on_path_is_passed_over_and_named_when_nothing_else_is_there(
    bring: Callable[..., Path], tmp_path: Path, answer: str | Outcome
) -> None:
    binary = on_path(tmp_path)
    runner = FakeRunner({(str(binary), "version"): answer})
    with pytest.raises(MachineLacks) as caught:
        bring(KIND, runner, PATH=str(binary.parent))
    assert str(binary) in caught.value.details[0]
    assert ">=0.33.0,<0.34.0" in caught.value.details[0]


@pytest.mark.parametrize("code", [-15, -2, 130, 143])
def test_a_tool_that_is_cut_off_while_it_is_asked_is_asked_again(
    bring: Callable[..., Path], tmp_path: Path, code: int
) -> None:
    """By Ctrl-C, for one; until its file changed it would have been of an unknown version."""
    binary = on_path(tmp_path)
    put(tmp_path, KIND, BINARY)
    runner = FakeRunner({(str(binary), "version"): [Outcome(code), "kind v0.33.1 go1.25.0 linux/amd64\n"]})
    assert bring(KIND, runner, PATH=str(binary.parent)) != binary
    assert bring(KIND, runner, PATH=str(binary.parent)) == binary


def test_a_shim_is_passed_over_for_the_program_behind_it_on_path(bring: Callable[..., Path], tmp_path: Path) -> None:
    """Those of asdf and mise are another version, or none, in each directory."""
    binary = on_path(tmp_path)
    script, link, own = (tmp_path / name / "kind" for name in ("asdf", "mise", "linked"))
    for each in (script, link, own):
        each.parent.mkdir()
    script.write_text("#!/usr/bin/env bash\n")
    script.chmod(0o755)
    manager = tmp_path / "mise-program"
    manager.write_text("a program\n")
    manager.chmod(0o755)
    link.symlink_to(manager)
    runner = FakeRunner({(str(binary), "version"): "kind v0.33.1 go1.25.0 linux/amd64\n"})
    assert bring(KIND, runner, PATH=f"{script.parent}::{link.parent}:{binary.parent}") == binary
    versioned = binary.rename(binary.with_name("kind-v0.33.1"))
    own.symlink_to(versioned)
    runner = FakeRunner({(str(own), "version"): "kind v0.33.1 go1.25.0 linux/amd64\n"})
    assert bring(KIND, runner, PATH=str(own.parent)) == own
    with pytest.raises(MachineLacks) as caught:
        bring(KIND, PATH=f"{script.parent}:{link.parent}")
    assert caught.value.details[0].startswith(f"tried: {script} is a shim")


def test_files_come_from_upstream_without_a_mirror() -> None:
    place = origin(KUBECTL, HERE, {})
    assert place.url == "https://dl.k8s.io/release/v1.37.0/bin/linux/amd64/kubectl"
    assert place.checksums == place.url + ".sha256"
    assert origin(TILT, HERE, {}).checksums.endswith("/v0.37.6/checksums.txt")


def test_a_web_mirror_keeps_the_layout_of_a_folder() -> None:
    place = origin(KUBECTL, HERE, {"KILTER_TOOLS_MIRROR": "https://mirror.example/tools/"})
    assert place.url == "https://mirror.example/tools/kubectl/v1.37.0/kubectl"
    assert isinstance(place.source, WebSource)
    local = origin(KIND, HERE, {"KILTER_TOOLS_MIRROR": "file:///srv/tools"})
    assert local.url == "/srv/tools/kind/v0.33.0/kind-linux-amd64"
    assert isinstance(local.source, FolderSource)


@pytest.mark.requirement("C16")
def test_the_login_of_a_mirror_is_in_no_message(bring: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_source: object, url: str, *_: object) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(module, "fetch", away)
    with pytest.raises(MachineLacks) as caught:
        bring(KIND, KILTER_TOOLS_MIRROR="https://me:s3/cr@t@mirror.example.com/tools")
    told = " ".join([caught.value.what, caught.value.why, caught.value.hint, *caught.value.details])
    assert "tried: https://***@mirror.example.com/tools/kind/" in told
    with pytest.raises(BadInput) as refused:
        origin(KIND, HERE, {"KILTER_TOOLS_MIRROR": "http://me:s3cr3t@mirror.example.com/tools"})
    assert refused.value.what == "http://***@mirror.example.com/tools is not an https address"


@pytest.mark.parametrize(
    "url",
    [
        "http://mirror.example/x",
        "ftp://mirror.example",
        "http://127.0.0.1.evil.example/",
        "http://evil.example?@localhost/x",
        "http://evil.example#@localhost/x",
    ],
)
def test_a_mirror_without_encryption_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="not an https address"):
        origin(KIND, HERE, {"KILTER_TOOLS_MIRROR": url})


def test_a_mirror_in_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(BadInput, match="~nobody-of-this-name/tools is no folder") as caught:
        origin(KIND, HERE, {"KILTER_TOOLS_MIRROR": "~nobody-of-this-name/tools"})
    assert "KILTER_TOOLS_MIRROR" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/x",
        "HTTPS://a.example/x",
        "http://127.0.0.1:8080/x",
        "http://localhost/x",
        "http://[::1]:1/",
        "http://[::1]/x",
    ],
)
def test_encryption_or_the_loopback_is_fine(url: str) -> None:
    check_url(url)


class Flaky:
    """A source whose connection breaks after a few bytes, as often as it is told."""

    def __init__(self, content: bytes, breaks: int, *, resumes: bool = True) -> None:
        self.content, self.breaks, self.resumes = content, breaks, resumes
        self.offsets: list[int] = []

    def open(self, _url: str, offset: int) -> AbstractContextManager[Answer]:
        self.offsets.append(offset)
        start = offset if self.resumes else 0
        return nullcontext(Answer(start, len(self.content), self._body(start)))

    def _body(self, start: int) -> Iterator[bytes]:
        yield self.content[start : start + 4]
        if self.breaks:
            self.breaks -= 1
            raise ConnectionResetError("gone")
        yield self.content[start + 4 :]


def download(source: Flaky, part: Path) -> None:
    with Recorder().step("x") as step:
        fetch(source, "https://x", part, step, sleep=lambda _: None)


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source = Flaky(b"0123456789abcdef", breaks=2)
    download(source, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == b"0123456789abcdef"
    assert source.offsets == [0, 4, 8]


def test_a_server_that_cannot_resume_starts_again(tmp_path: Path) -> None:
    source = Flaky(b"0123456789abcdef", breaks=2, resumes=False)
    download(source, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == b"0123456789abcdef"


def test_after_three_attempts_a_download_fails_and_keeps_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        download(Flaky(b"0123456789abcdef", breaks=9), tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == b"0123456789ab"


def test_a_full_disk_is_no_fault_of_the_source(tmp_path: Path) -> None:
    source, part = Flaky(b"0123456789abcdef", breaks=0), tmp_path / "part"
    part.symlink_to("/dev/full")
    with pytest.raises(MachineLacks) as caught:
        download(source, part)
    assert (caught.value.what, caught.value.why) == (f"cannot write {part}", "No space left on device")
    assert caught.value.hint == f"free some space at {tmp_path}"
    assert source.offsets == [0]


def test_a_disk_that_gets_full_while_a_tool_is_unpacked_is_named(
    bring: Callable[..., Path], paths: Paths, tmp_path: Path
) -> None:
    put(tmp_path, HELM, packed(HELM.member[HERE]))
    folder = paths.tools_dir / "helm" / HELM.version
    folder.mkdir(parents=True)
    (folder / ".helm.new").symlink_to("/dev/full")
    with pytest.raises(MachineLacks) as caught:
        bring(HELM)
    assert caught.value.what == f"cannot write {folder / 'helm'}"
    assert caught.value.hint == f"free some space at {folder}"
    assert not (folder / ".helm.new").is_symlink()
    assert bring(HELM).read_bytes() == BINARY


def test_a_file_larger_than_any_tool_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 8)
    download(Flaky(b"01234567", breaks=0), tmp_path / "fitting")
    with pytest.raises(Failed, match="is larger than any tool") as caught:
        download(Flaky(b"012345678", breaks=0), tmp_path / "part")
    assert "KILTER_TOOLS_MIRROR" in caught.value.hint
    assert (tmp_path / "part").stat().st_size <= 8
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(packed("tilt", b"012345678"))
    with pytest.raises(Failed, match="does not hold tilt"):
        extract(archive, "tilt", tmp_path / "tilt")
    archive.write_bytes(packed("tilt", b"01234567"))
    extract(archive, "tilt", tmp_path / "tilt")


def test_a_mirror_folder_goes_on_where_an_attempt_stopped_and_begins_anew_after_a_longer_one(tmp_path: Path) -> None:
    (source := tmp_path / "kind").write_bytes(b"0123456789")
    for offset, start in ((0, 0), (4, 4), (10, 10), (11, 0)):
        with FolderSource().open(str(source), offset) as answer:
            assert (answer.start, answer.size, b"".join(answer.body)) == (start, 10, b"0123456789"[start:])


def test_a_tool_is_on_the_disk_before_its_receipt_says_so(
    bring: Callable[..., Path], paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, KIND, BINARY)
    folder, synced = paths.tools_dir / "kind" / KIND.version, list[tuple[str, bool]]()

    def sync(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        kind = "folder" if S_ISDIR(facts.st_mode) else "tool" if facts.st_size == len(BINARY) else "receipt"
        synced.append((kind, (folder / "kind").exists()))

    monkeypatch.setattr(os, "fsync", sync)
    bring(KIND)
    assert synced == [("tool", False), ("tool", False), ("folder", True), ("receipt", True), ("folder", True)]


def test_an_answer_that_ends_early_is_noticed(tmp_path: Path) -> None:
    class Short(Flaky):
        def _body(self, start: int) -> Iterator[bytes]:
            yield from () if start else (b"0123",)

    with pytest.raises(ConnectionError, match="ended after"):
        download(Short(b"0123456789abcdef", breaks=0), tmp_path / "part")


def test_a_file_that_does_not_exist_is_not_asked_for_again(tmp_path: Path) -> None:
    with Recorder().step("x") as step, pytest.raises(NoSuchFile):
        fetch(FolderSource(), str(tmp_path / "none"), tmp_path / "part", step)


@pytest.mark.parametrize("member", ["tilt", "./tilt"])
def test_only_the_named_member_of_an_archive_is_unpacked(tmp_path: Path, member: str) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(packed(member))
    extract(archive, "tilt", tmp_path / "tilt")
    assert (tmp_path / "tilt").read_bytes() == BINARY
    assert not (tmp_path / "LICENSE").exists()


@pytest.mark.requirement("C10")
def test_a_link_under_the_members_name_is_not_followed(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        entry = tarfile.TarInfo("tilt")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        opened.addfile(entry)
    with pytest.raises(Failed, match="does not hold tilt") as caught:
        extract(archive, "tilt", tmp_path / "tilt")
    assert "KILTER_TOOLS_MIRROR" in caught.value.hint


def test_a_broken_archive_is_a_failure(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    for text in (packed("tilt")[:200], b"<html>"):
        archive.write_bytes(text)
        with pytest.raises(Failed, match=r"a\.tar\.gz cannot be unpacked") as caught:
            extract(archive, "tilt", tmp_path / "tilt")
        assert "KILTER_TOOLS_MIRROR" in caught.value.hint


def test_checksums_are_found_in_all_the_forms_that_publishers_use() -> None:
    sum_ = "A" * 64
    assert checksum_in(f"{sum_}\n", "kubectl") == sum_.lower()
    assert checksum_in(f"{'b' * 64}  other\n{sum_} *dir/kind\n", "kind") == sum_.lower()
    assert checksum_in(f"{sum_}  other\n", "kind") is None
    assert checksum_in("<html>not found</html>", "kind") is None
    assert checksum_in(f"# sums\n\nkind  kind\n{sum_}  kind\n", "kind") == sum_.lower()
    assert checksum_in("kind\n", "kind") is None
