"""The stand-in for kindest/node: Debian with systemd, containerd, Kubernetes and the images a cluster starts with."""

import os
import re
import shutil
from pathlib import Path

from testbed import debian, pins
from testbed.archive import Image, write_archive
from testbed.engine import CONTAINERD, PRELOAD, record, tools_environment
from testbed.images import push
from testbed.processes import spawn, stop, wait_until
from testbed.work import RECIPES, Work, copy_into, copy_recipe

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "containerd", "runc", "iptables", "nftables", "conntrack", "ethtool", "socat",
    "jq", "kmod", "iproute2", "procps", "util-linux", "mount", "containernetworking-plugins", "ca-certificates", "curl",
    "busybox-static", "libc-bin", "hostname", "tar", "gzip", "pigz",
)  # fmt: skip
# What waits for hardware, terminals or a clock has nothing to do in a container, and each costs start time.
MASKED = (
    "apt-daily.service", "apt-daily.timer", "apt-daily-upgrade.service", "apt-daily-upgrade.timer",
    "console-getty.service", "dev-hugepages.mount", "dpkg-db-backup.service", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty.target", "getty@.service",
    "kmod-static-nodes.service", "ldconfig.service", "nftables.service", "sys-kernel-config.mount",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path", "systemd-binfmt.service", "systemd-firstboot.service",
    "systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "systemd-journal-flush.service",
    "systemd-logind.service", "systemd-machine-id-commit.service", "systemd-modules-load.service",
    "systemd-network-generator.service", "systemd-pcrphase-sysinit.service", "systemd-pcrphase.service",
    "systemd-pstore.service", "systemd-quotacheck.service", "systemd-random-seed.service",
    "systemd-remount-fs.service", "systemd-resolved.service", "systemd-sysusers.service",
    "systemd-timesyncd.service", "systemd-tmpfiles-clean.timer", "systemd-udev-trigger.service",
    "systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "systemd-udevd.service",
    "systemd-update-done.service", "systemd-update-utmp-runlevel.service", "systemd-update-utmp.service",
)  # fmt: skip
IPTABLES = tuple(f"{program}{tail}" for program in ("iptables", "ip6tables") for tail in ("", "-save", "-restore"))


def root(work: Work, target: Path) -> None:
    """The root file system that systemd and containerd live in."""
    debian.root_file_system(work, pins.DEBIAN_OLD, PACKAGES, target / "root", target / "scratch")
    shutil.rmtree(target / "scratch")
    for left in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "usr/share/perl"):
        shutil.rmtree(target / "root" / left, ignore_errors=True)


def image(work: Work, target: Path) -> None:
    """Put everything together and hand it to the engine."""
    home, tree = work.home, target / "root"
    work.run("cp", "-a", home.artefact("node-root") / "root", tree)
    programs = home.artefact("kubernetes") / "bin"
    engine = home.artefact("engine") / "tree/usr/bin"
    for name in ("containerd", "ctr", "containerd-shim-runc-v2"):
        copy_into(engine / name, tree / "usr/bin" / name, 0o755)
    copy_into(programs / "kubernetes", tree / "usr/bin/kubernetes", 0o755)
    copy_into(home.artefact("policies") / "bin/policies", tree / "usr/local/bin/network-policies", 0o755)
    for name in ("kubeadm", "kubelet", "kubectl"):
        (tree / "usr/bin" / name).symlink_to("kubernetes")
    copy_recipe(RECIPES / "node/files", tree)
    settle(tree)
    write_archive(target / "images.tar", images(work, tree, programs))
    preload(work, target / "images.tar", target / "store", tree)
    (target / "images.tar").unlink()
    shutil.rmtree(target / "store")
    work.run("tar", "-C", tree, "-cf", target / "node.tar", ".")
    shutil.rmtree(tree)
    work.docker(
        "import", "--change", 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]',
        "--change", "ENV container=docker",
        "--change", "STOPSIGNAL SIGRTMIN+3", target / "node.tar", pins.NODE_IMAGE,
    )  # fmt: skip
    (target / "node.tar").unlink()
    push(work, pins.NODE_IMAGE, target)


def settle(tree: Path) -> None:
    """What kind and systemd expect to find."""
    (tree / "kind/version").write_text(f"v{pins.KUBERNETES}\n")
    (tree / "kind/registry-mirror").write_text(f"http://{pins.BRIDGE_ADDRESS}:{pins.MIRROR_PORT}\n")
    (tree / "opt/cni").mkdir(parents=True, exist_ok=True)
    (tree / "opt/cni/bin").symlink_to("/usr/lib/cni")
    units = tree / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    for unit in ("kubelet.service", "network-policies.service"):
        (wanted / unit).symlink_to(f"/etc/systemd/system/{unit}")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    (tree / "usr/local/bin/entrypoint").chmod(0o755)


def images(work: Work, tree: Path, programs: Path) -> list[Image]:
    """The images that kubeadm and kind ask for by name."""
    components = {f"usr/local/bin/{name.split('/')[1].split(':')[0]}": "kubernetes" for name in pins.KUBE_IMAGES}
    rules, links = iptables(work, tree)
    kube = Image(
        pins.KUBE_IMAGES,
        {"usr/local/bin/kubernetes": programs / "kubernetes", **rules},
        {**components, **links},
    )
    busybox = Image(
        (pins.PROVISIONER_HELPER_IMAGE,),
        {"bin/busybox": tree / "bin/busybox"},
        {f"bin/{name}": "busybox" for name in ("sh", "mkdir", "rm", "ls", "chmod", "cat", "du", "stat")},
    )

    provisioner = "local-path-provisioner"

    def single(name: str, path: str, program: str) -> Image:
        return Image((name,), {path: programs / program}, {}, (f"/{path}",))

    return [
        kube,
        busybox,
        single(pins.PAUSE_IMAGE, "pause", "pause"),
        Image((pins.ETCD_IMAGE,), {"usr/local/bin/etcd": programs / "etcd"}, {}),
        single(pins.COREDNS_IMAGE, "coredns", "coredns"),
        Image((pins.PROVISIONER_IMAGE,), {f"usr/local/bin/{provisioner}": programs / provisioner}, {}),
    ]


def iptables(work: Work, tree: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """iptables with the libraries it needs, as files and links for an image that has nothing else."""
    modules = sorted((tree / "usr/lib/x86_64-linux-gnu/xtables").glob("*.so"))
    programs = ["/usr/sbin/xtables-nft-multi", *(f"/{module.relative_to(tree)}" for module in modules)]
    # The modules are opened at run time and bring libraries of their own: `statistic`, which balances between two
    # endpoints, needs libm.
    told = work.read("chroot", tree, "ldd", *programs)
    files = {"usr/sbin/xtables-nft-multi": tree / "usr/sbin/xtables-nft-multi"}
    for path in sorted(set(re.findall(r"(/\S+) \(0x", told))):
        files[path.lstrip("/")] = Path(os.path.realpath(tree / path.lstrip("/")))
    for module in modules:
        files[f"usr/lib/x86_64-linux-gnu/xtables/{module.name}"] = module.resolve()
    return files, {f"usr/sbin/{name}": "xtables-nft-multi" for name in IPTABLES}


def preload(work: Work, archive: Path, store: Path, tree: Path) -> None:
    """Import an archive with a containerd of its own and move its store into the node's file system."""
    environment, socket = tools_environment(work.home), work.home.run / "preload.sock"
    # Of a run that was killed, so that nobody ended it.
    stop(note := record(work.home, PRELOAD))
    socket.unlink(missing_ok=True)
    settings = archive.with_name("containerd.toml")
    settings.write_text(CONTAINERD.format(root=store / "root", state=store / "state", address=socket))
    spawn(note, ["containerd", "--config", str(settings)], work.log, environment)
    try:
        wait_until(socket.exists, note, "containerd", 10.0)
        work.run(
            "ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", "--no-unpack", "--all-platforms",
            "--digests", archive, extra=environment,
        )  # fmt: skip
    finally:
        stop(note, 10.0)
        for left in (socket, socket.with_name(f"{socket.name}.ttrpc"), settings):
            left.unlink(missing_ok=True)
    inside = tree / "var/lib/containerd"
    inside.mkdir(parents=True, exist_ok=True)
    for part in ("io.containerd.content.v1.content", "io.containerd.metadata.v1.bolt"):
        shutil.rmtree(inside / part, ignore_errors=True)
        shutil.move(store / "root" / part, inside / part)
