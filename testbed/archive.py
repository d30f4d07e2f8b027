"""Image archives written directly: a static program in an image of one layer needs no engine to be built."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.work import plain_mode


@dataclass(frozen=True)
class Image:
    """An image of one layer: its names, the files in it (path inside to path here), links, what it runs and as whom."""

    names: tuple[str, ...]
    files: Mapping[str, Path]
    links: Mapping[str, str]
    entrypoint: tuple[str, ...] = ()
    user: str = ""


def layer(image: Image) -> bytes:
    """The layer of an image as an uncompressed tar: the node unpacks it at its first start, and quickly so."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        seen: set[str] = set()
        for inside in (*image.files, *image.links, "tmp/x"):
            add_folders(tar, inside, seen)
        for inside, path in image.files.items():
            entry = tarfile.TarInfo(inside)
            entry.size, entry.mode = path.stat().st_size, plain_mode(path.stat().st_mode)
            with path.open("rb") as source:
                tar.addfile(entry, source)
        for inside, target in image.links.items():
            entry = tarfile.TarInfo(inside)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return sink.getvalue()


def add_folders(tar: tarfile.TarFile, inside: str, seen: set[str]) -> None:
    """The folders above a file, once each."""
    parts = inside.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        folder = "/".join(parts[:depth])
        if folder not in seen:
            seen.add(folder)
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)


def config(image: Image, diff: str) -> bytes:
    """The configuration of an image whose one layer has this digest."""
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": list(image.entrypoint),
                "User": image.user,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
            "history": [{"created_by": "testbed"}],
        }
    ).encode()


def write_archive(target: Path, images: Sequence[Image]) -> None:
    """Write an archive that `docker load` and `ctr images import` read."""
    manifest = []
    with tarfile.open(target, "w") as tar:
        for image in images:
            content = layer(image)
            diff = hashlib.sha256(content).hexdigest()
            settings = config(image, diff)
            name = f"{hashlib.sha256(settings).hexdigest()}.json"
            add_bytes(tar, f"{diff}/layer.tar", content)
            add_bytes(tar, name, settings)
            manifest.append({"Config": name, "RepoTags": list(image.names), "Layers": [f"{diff}/layer.tar"]})
        add_bytes(tar, "manifest.json", json.dumps(manifest).encode())


def add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """One file of an archive."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
