"""Bringing the tools: the user's own when its version will do, else a pinned copy, downloaded once and verified.

A copy lies at `<tools_dir>/<tool>/<version>/<tool>` beside its receipt, which says where it came from and which
checksum was seen. It appears by rename only after its checksum was right, so what is there needs no further check.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kilter.errors import BadInput, Failed, KilterError, MachineLacks
from kilter.proc import ANY_CODE, Command, Runner
from kilter.progress import Progress, Step
from kilter.state.files import file_lock, sync_folder, write_whole, writing
from kilter.state.paths import Paths
from kilter.tools import download
from kilter.tools.download import FolderSource, Source, WebSource
from kilter.tools.kubectl import NO_PREFERENCES
from kilter.tools.versions import Platform, Tool, accepts, parse_version, this_platform
from kilter.words import human_size

MIRROR = "KILTER_TOOLS_MIRROR"
SIGNALLED = 128  # exit codes from here on tell of a signal, such as Ctrl-C
PATIENCE = 900.0  # seconds to wait for another kilter that is downloading the same tool


@dataclass(frozen=True)
class Origin:
    """Where one file of a tool, and the file with its checksum, are to be had."""

    source: Source
    url: str
    checksums: str

    @property
    def file_name(self) -> str:
        """The upstream name of the file, without folders."""
        return self.url.rpartition("/")[2]


def provide(wanted: Tool, runner: Runner, paths: Paths, env: Mapping[str, str], progress: Progress) -> Path:
    """Return the path of a tool that will do, bringing it when it is not here. Safe from several processes at once.

    Raises MachineLacks, naming what was tried, when it cannot be had; Failed when what came is not what it should be.
    """
    found = on_path(wanted, runner, paths, env)
    if found.usable:
        assert found.path is not None
        return found.path
    copy = installed(wanted, paths)
    return copy or _bring(wanted, this_platform(), _folder(wanted, paths), env, found, progress)


def bring(wanted: Tool, platform: Platform, paths: Paths, env: Mapping[str, str], progress: Progress) -> Path:
    """Return kilter's own copy of a tool for a platform, whatever this machine is, bringing it when it is not here.

    Raises as `provide` does.
    """
    folder = _folder(wanted, paths)
    if platform != this_platform():
        folder = folder.with_name("-".join((wanted.version, *platform)))
    return _copy(wanted, folder) or _bring(wanted, platform, folder, env, Found(), progress)


@dataclass(frozen=True)
class Found:
    """What PATH holds under a tool's name: nothing, or a path and the version it prints (empty: it printed none).

    `shim` is the first thing there that was passed over.
    """

    path: Path | None = None
    version: str = ""
    usable: bool = False
    shim: Path | None = None


def on_path(tool: Tool, runner: Runner, paths: Paths, env: Mapping[str, str]) -> Found:
    """Look at the user's own tool. What it printed is remembered for as long as the file is the same."""
    there = [Path(where) for folder in env.get("PATH", "").split(os.pathsep) if (where := _executable(tool, folder))]
    shim = next(filter(_is_shim, there), None)
    path = next((each for each in there if not _is_shim(each)), None)
    if path is None:
        return Found(shim=shim)
    facts = path.stat()
    key = f"{path}:{facts.st_ino}:{facts.st_mtime_ns}:{facts.st_size}"
    memory = paths.tools_dir / "on-path.json"
    known = _remembered(memory)
    if known.get(tool.name, ("",))[0] != key:
        said = _ask(tool, path, runner)
        if said is None:
            return Found(path, shim=shim)
        version = parse_version(said)
        known[tool.name] = (key, ".".join(map(str, version)) if version else "")
        write_whole(memory, json.dumps(known) + "\n")
    text = known[tool.name][1]
    return Found(path, text, accepts(tool, parse_version(text)), shim)


def _executable(tool: Tool, folder: str) -> str | None:
    return shutil.which(tool.name, path=folder) if folder else None


def _is_shim(path: Path) -> bool:
    """Tell whether what runs in the end is another program, such as a version manager's choice for each directory.

    What it is in one directory says nothing of the next, nor of those that kilter runs tools in.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(2) == b"#!" or not path.resolve().name.startswith(path.name)
    except OSError:
        return False


def installed(tool: Tool, paths: Paths) -> Path | None:
    """Return kilter's own copy, or None. The receipt is written last and stands for the copy's wholeness."""
    return _copy(tool, _folder(tool, paths))


def _copy(tool: Tool, folder: Path) -> Path | None:
    binary = folder / tool.name
    return binary if (folder / "receipt.json").is_file() and os.access(binary, os.X_OK) else None


def origin(tool: Tool, platform: Platform, env: Mapping[str, str]) -> Origin:
    """Work out where a tool's files are: upstream, or KILTER_TOOLS_MIRROR (a folder or an https base).

    A mirror holds `<tool>/v<version>/<upstream file name>`, and the checksum file by its upstream name beside it.
    Raises BadInput for a mirror that is neither.
    """
    upstream = tool.files[platform]
    name = upstream.rpartition("/")[2]
    mirror = env.get(MIRROR, "").strip()
    if not mirror:
        return Origin(WebSource(), tool.folder + upstream, tool.folder + tool.checksums.format(file=upstream))
    source: Source = WebSource()
    if "://" in mirror and not mirror.startswith("file://"):
        download.check_url(mirror)
    else:
        source, mirror = FolderSource(), str(_folder_of(mirror.removeprefix("file://")))
    base = f"{mirror.rstrip('/')}/{tool.name}/v{tool.version}/"
    return Origin(source, base + name, base + tool.checksums.format(file=name))


def _folder_of(mirror: str) -> Path:
    try:
        return Path(mirror).expanduser().absolute()
    except RuntimeError as error:  # the home of a user that there is not
        raise BadInput(f"{mirror} is no folder", why=str(error), hint=download.NAME_A_MIRROR) from error


def _bring(
    wanted: Tool, platform: Platform, folder: Path, env: Mapping[str, str], found: Found, progress: Progress
) -> Path:
    """Download a tool into its folder, unless another kilter just did."""
    with file_lock(folder.with_name(f"{folder.name}.lock"), PATIENCE, f"the download of {wanted.name}"):
        copy = _copy(wanted, folder)
        if copy is not None:
            return copy
        with progress.step(f"download {wanted.name} {wanted.version}") as step:
            return _install(wanted, platform, folder, env, found, step)


def _install(tool: Tool, platform: Platform, folder: Path, env: Mapping[str, str], found: Found, step: Step) -> Path:
    place = origin(tool, platform, env)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f"{place.file_name}.part"
    try:
        expected = _fetched(tool.sha256.get(platform), place, part, step)
    except (OSError, download.NoSuchFile) as error:
        raise _unavailable(tool, place, found, error) from error
    size = part.stat().st_size
    _verify(tool, place, part, expected)
    with writing(folder / tool.name):
        _unpack(tool, platform, part, folder / tool.name)
    receipt = {
        "url": download.shown(place.url),
        "sha256": expected,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_whole(folder / "receipt.json", json.dumps(receipt, indent=2) + "\n")
    part.unlink(missing_ok=True)
    step.done(human_size(size))
    return folder / tool.name


def _fetched(pinned: str | None, place: Origin, part: Path, step: Step) -> str:
    """Bring the file into `part` and return the checksum that it should have; raises OSError, NoSuchFile, Failed.

    What an earlier attempt left may be no part of it, but the page of a network that asks for a login.
    """
    resumed = part.exists()
    download.fetch(place.source, place.url, part, step)
    try:
        expected = pinned or published(place)
    except Failed as error:
        if not isinstance(error, download.NoSuchFile):
            part.unlink()
        raise
    if resumed and download.sha256(part) != expected:
        part.unlink()
        download.fetch(place.source, place.url, part, step)
    return expected


def published(place: Origin) -> str:
    """Return the checksum that the publisher serves beside the file; raises OSError, NoSuchFile, Failed."""
    found = download.checksum_in(download.read_text(place.source, place.checksums), place.file_name)
    if found is None:
        what = f"{download.shown(place.checksums)} says nothing of {place.file_name}"
        raise Failed(what, why="the download cannot be verified", hint=download.NAME_A_MIRROR)
    return found


def _verify(tool: Tool, place: Origin, part: Path, expected: str) -> None:
    seen = download.sha256(part)
    if seen != expected:
        part.unlink()
        raise Failed(
            f"the download of {tool.name} {tool.version} is not what its publisher says",
            why=f"{download.shown(place.url)} has the SHA-256 {seen}, expected was {expected}",
            hint="nothing was installed; try again, and if it stays so, do not trust that source",
        )


def _unpack(tool: Tool, platform: Platform, part: Path, binary: Path) -> None:
    """Put the binary in place by rename, from within an archive where it comes in one."""
    fresh = binary.with_name(f".{binary.name}.new")
    member = tool.member.get(platform)
    if member:
        try:
            download.extract(part, member, fresh)
        except OSError:  # a full disk is to get its room back
            fresh.unlink(missing_ok=True)
            raise
    else:
        part.replace(fresh)
    fresh.chmod(0o755)
    with fresh.open("rb") as stream:
        os.fsync(stream.fileno())
    fresh.replace(binary)
    sync_folder(binary.parent)


def _unavailable(tool: Tool, place: Origin, found: Found, error: Exception) -> MachineLacks:
    return MachineLacks(
        f"{tool.name} {tool.version} could not be had",
        why=download.unreachable(error),
        hint=f"connect to the network, install {tool.name} {tool.accepted}, or set {MIRROR} to a folder or https base",
        details=[f"tried: {unusable(tool, found) or 'not on PATH'}", f"tried: {download.shown(place.url)}"],
    )


def unusable(tool: Tool, found: Found) -> str:
    """Say why what PATH holds will not do; empty where it holds nothing."""
    if found.path is not None:
        return f"{found.path} is {found.version or 'of an unknown version'}, needed is {tool.accepted}"
    return f"{found.shim} is a shim, which stands for another version in each directory" if found.shim else ""


def _folder(tool: Tool, paths: Paths) -> Path:
    return paths.tools_dir / tool.name / tool.version


def _ask(tool: Tool, path: Path, runner: Runner) -> str | None:
    """Return what a tool prints of its version, nothing when it fails; None when it could not say, or was cut off."""
    quiet = {"TILT_DISABLE_ANALYTICS": "1", "DO_NOT_TRACK": "1"}
    environment = {"KUBECONFIG": "/dev/null", **NO_PREFERENCES, **quiet}
    try:
        outcome = runner.run(Command((str(path), *tool.asks), env=environment, timeout=20, ok=ANY_CODE))
    except KilterError:
        return None
    if outcome.code >= SIGNALLED:
        return None
    return outcome.stdout if outcome.code == 0 else ""


def _remembered(memory: Path) -> dict[str, tuple[str, str]]:
    try:
        document = json.loads(memory.read_text(encoding="utf-8"))
        return {str(name): (str(key), str(version)) for name, (key, version) in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
