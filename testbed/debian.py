"""Debian packages without touching the machine's own package state: a private apt per suite, and root file systems."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed import pins
from testbed.running import RUNNING
from testbed.work import StageFailed, Work

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TARGETS = ("--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
LEAVE_OUT = ("doc", "man", "info", "locale", "lintian")
SETTINGS = """\
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{root}";
Dir::State::lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
"""
CONFIGURE = """\
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8
dpkg --force-depends --install /debs/base-passwd_*.deb /debs/base-files_*.deb
dpkg --force-depends --unpack /debs/*.deb
dpkg --force-depends --configure -a
"""


def archive(targets: str) -> str:
    """The Debian archive this machine itself uses, from `apt-get indextargets`: no host is named here."""
    for line in targets.splitlines():
        address, _, release = line.partition(" ")
        if re.fullmatch(rf"{pins.DEBIAN_OLD}|oldstable|stable", release.strip()):
            return address.rstrip("/")
    raise StageFailed(
        f"apt knows no Debian {pins.DEBIAN_OLD} archive: run `apt-get update`, or see /etc/apt/sources.list"
    )


def archive_address(work: Work) -> str:
    """The same, asked of this machine."""
    return archive(work.read("apt-get", "indextargets", *TARGETS))


def sources(address: str, suite: str) -> str:
    """The sources.list that root file systems get: with updates and security fixes."""
    lines = [f"deb {address} {suite} main", f"deb {address} {suite}-updates main"]
    if address.endswith("/debian"):
        lines.append(f"deb {address}-security {suite}-security main")
    return "\n".join(lines) + "\n"


def private_apt(work: Work, suite: str, folder: Path) -> dict[str, str]:
    """An apt of its own for one suite, believing that nothing is installed; returns the variables that select it."""
    for inside in ("lists/partial", "cache/archives/partial"):
        (folder / inside).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {archive_address(work)} {suite} main\n")
    (folder / "apt.conf").write_text(SETTINGS.format(root=folder))
    chosen = {"APT_CONFIG": str(folder / "apt.conf")}
    work.run("apt-get", "--quiet", "update", extra=chosen)
    return chosen


def unpack(work: Work, suite: str, packages: Sequence[str], target: Path, scratch: Path) -> None:
    """Unpack packages (these alone, not what they depend on) into a folder."""
    chosen = private_apt(work, suite, scratch / suite)
    debs = scratch / f"{suite}-debs"
    debs.mkdir(parents=True)
    work.run("apt-get", "download", *packages, cwd=debs, extra=chosen)
    target.mkdir(parents=True, exist_ok=True)
    for deb in sorted(debs.glob("*.deb")):
        work.run("dpkg-deb", "--extract", deb, target)


def root_file_system(work: Work, suite: str, packages: Sequence[str], target: Path, scratch: Path) -> None:
    """A configured Debian: the essential packages, apt, and those named."""
    chosen = private_apt(work, suite, scratch / suite)
    wanted = ("?essential", "apt", *packages)
    work.run("apt-get", "--yes", "--quiet", "--download-only", "install", *wanted, extra=chosen)
    debs = sorted((scratch / suite / "cache/archives").glob("*.deb"))
    lay_out(target)
    for deb in debs:
        extract(work, deb, target)
    (target / "debs").mkdir()
    for deb in debs:
        shutil.copyfile(deb, target / "debs" / deb.name)
    (target / "configure").write_text(CONFIGURE)
    inside = 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" sh /configure'
    work.run("unshare", "--mount", "--pid", "--fork", "sh", "-c", inside, target)
    shutil.rmtree(target / "debs")
    (target / "configure").unlink()
    (target / "etc/apt/sources.list").write_text(sources(archive_address(work), suite))
    (target / "etc/machine-id").write_text("")


def lay_out(target: Path) -> None:
    """What must be there before the first package: merged /usr, and dpkg told to be quick and to leave manuals out."""
    for folder in ("etc/dpkg/dpkg.cfg.d", "etc/apt", "var/lib/dpkg", "var/cache/apt/archives"):
        (target / folder).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (target / "usr" / name).mkdir(parents=True)
        (target / name).symlink_to(f"usr/{name}")
    excluded = "".join(f"path-exclude /usr/share/{name}/*\n" for name in LEAVE_OUT)
    (target / "etc/dpkg/dpkg.cfg.d/testbed").write_text("force-unsafe-io\n" + excluded)
    for name in ("status", "available"):
        (target / "var/lib/dpkg" / name).touch()


def extract(work: Work, deb: Path, target: Path) -> None:
    """Unpack one package into a root whose /bin and /lib are links, which plain `dpkg-deb --extract` would replace."""
    excluded = [f"--exclude=./usr/share/{name}/*" for name in LEAVE_OUT]
    told, tar = ["dpkg-deb", "--fsys-tarfile", str(deb)], ["tar", "-C", str(target), "--keep-directory-symlink", "-xp"]
    with work.log.open("ab") as sink, subprocess.Popen(told, stdout=subprocess.PIPE, stderr=sink) as reader:
        assert reader.stdout
        words = [*tar, *excluded]
        status, _ = RUNNING.run(words, work.environment, stdin=reader.stdout, stdout=sink, stderr=sink)
    if reader.returncode or status:
        raise StageFailed(f"could not unpack {deb.name}")
