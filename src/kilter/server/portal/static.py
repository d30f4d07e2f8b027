"""The portal's files: read once, addressed by their content, so that browsers may keep them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
KEEP = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class File:
    """A file as it is sent."""

    content: bytes
    media_type: str
    version: str


@cache
def files() -> Mapping[str, File]:
    """Return what there is, by path; nothing else is ever sent."""
    found = {}
    for file in sorted(FOLDER.rglob("*")):
        if file.suffix in TYPES:
            content = file.read_bytes()
            version = hashlib.sha256(content).hexdigest()[:12]
            found[file.relative_to(FOLDER).as_posix()] = File(content, TYPES[file.suffix], version)
    return found


def address(name: str) -> str:
    """Return where a file is found in its present version."""
    return f"/static/{name}?v={files()[name].version}"


async def answer(request: Request) -> Response:
    """Send a file; one that is asked for without its version is not kept."""
    file = files().get(request.path_params["name"])
    if file is None:
        return Response("there is no such file\n", 404, media_type="text/plain")
    keep = KEEP if request.query_params.get("v") == file.version else "no-cache"
    headers = {
        "Cache-Control": keep,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Response(file.content, headers=headers, media_type=file.media_type)
