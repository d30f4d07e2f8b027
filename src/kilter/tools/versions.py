"""Which tools kilter brings, in which version, from where; and which versions found on PATH will do.

A checksum stands here only when it came from the publisher's own record (decision 11): `make pins` prints what that
says, and fails where a pin differs. What has none is verified against the checksum file that the publisher serves
beside it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kilter.errors import MachineLacks

Version = tuple[int, int, int]
Platform = tuple[str, str]  # ("linux" | "darwin", "amd64" | "arm64")

KUBERNETES_VERSION = "1.37.0"
NODE_IMAGE = (
    "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"  # decision 12
)
PLATFORMS: tuple[Platform, ...] = (("linux", "amd64"), ("linux", "arm64"), ("darwin", "amd64"), ("darwin", "arm64"))

_VERSION = re.compile(r"\bv?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-(?:alpha|beta|rc)[.\w]*)?")


@dataclass(frozen=True)
class Tool:
    """One tool: the version kilter brings, the range that will do, and where its files are.

    `files` gives the upstream file name per platform, `folder` the folder it lies in upstream, `checksums` the name of
    the checksum file (`{file}` stands for the file's), `member` the binary's path within an archive, `asks` the
    arguments that make it print its version, and `sha256` the pinned checksum per platform.
    """

    name: str
    version: str
    at_least: Version
    below: Version
    folder: str
    files: Mapping[Platform, str]
    checksums: str
    asks: tuple[str, ...]
    member: Mapping[Platform, str] = field(default_factory=dict)
    sha256: Mapping[Platform, str] = field(default_factory=dict)

    @property
    def accepted(self) -> str:
        """The range of versions that will do, for people."""
        return f">={_dotted(self.at_least)},<{_dotted(self.below)}"


KIND = Tool(
    name="kind",
    version="0.33.0",
    at_least=(0, 33, 0),
    below=(0, 34, 0),
    folder="https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/",
    files={(os, arch): f"kind-{os}-{arch}" for os, arch in PLATFORMS},
    checksums="{file}.sha256sum",
    asks=("version",),
)
TILT = Tool(
    name="tilt",
    version="0.37.6",
    at_least=(0, 37, 6),
    below=(0, 38, 0),
    folder="https://github.com/tilt-dev/tilt/releases/download/v0.37.6/",
    files={
        ("linux", "amd64"): "tilt.0.37.6.linux.x86_64.tar.gz",
        ("linux", "arm64"): "tilt.0.37.6.linux.arm64.tar.gz",
        ("darwin", "amd64"): "tilt.0.37.6.mac.x86_64.tar.gz",
        ("darwin", "arm64"): "tilt.0.37.6.mac.arm64.tar.gz",
    },
    checksums="checksums.txt",
    asks=("version",),
    member=dict.fromkeys(PLATFORMS, "tilt"),
)
HELM = Tool(
    name="helm",
    version="4.1.4",
    at_least=(4, 1, 0),
    below=(5, 0, 0),
    folder="https://get.helm.sh/",
    files={(os, arch): f"helm-v4.1.4-{os}-{arch}.tar.gz" for os, arch in PLATFORMS},
    checksums="{file}.sha256sum",
    asks=("version", "--short"),
    member={(os, arch): f"{os}-{arch}/helm" for os, arch in PLATFORMS},
)
KUBECTL = Tool(
    name="kubectl",
    version=KUBERNETES_VERSION,
    at_least=(1, 36, 0),
    below=(1, 39, 0),
    folder=f"https://dl.k8s.io/release/v{KUBERNETES_VERSION}/bin/",
    files={(os, arch): f"{os}/{arch}/kubectl" for os, arch in PLATFORMS},
    checksums="{file}.sha256",
    asks=("version", "--client", "--output", "json"),
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in (KIND, TILT, HELM, KUBECTL)}


def this_platform() -> Platform:
    """Return the machine's platform; raises MachineLacks on one that the tools are not published for."""
    import platform  # start-up: asked only when a tool must be downloaded

    machine = platform.machine().lower()
    found = (platform.system().lower(), {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine))
    if found not in PLATFORMS:
        hint = "tools of your own on PATH are used instead"
        raise MachineLacks(f"kilter's tools are not published for {found[0]}/{found[1]}", hint=hint)
    return found


def parse_version(text: str) -> Version | None:
    """Read the version out of what a tool prints; None when there is none, or only one before a release.

    Accepts the JSON of kubectl, and the lines of the others (`v4.1.4+g1234567`, `kind v0.33.0 go1.25 …`).
    """
    if text.lstrip().startswith("{"):
        try:
            text = str(json.loads(text)["clientVersion"]["gitVersion"])
        except (ValueError, KeyError, TypeError):
            return None
    match = _VERSION.search(text)
    if not match or match[4]:
        return None
    return int(match[1]), int(match[2]), int(match[3])


def accepts(tool: Tool, version: Version | None) -> bool:
    """Tell whether a version found on PATH will do."""
    return version is not None and tool.at_least <= version < tool.below


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
