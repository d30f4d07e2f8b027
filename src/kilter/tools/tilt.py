"""Commands for Tilt 0.37, and what its answers mean."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kilter.proc import Command
from kilter.tools.kubectl import environment

HOST = "127.0.0.1"
BEGIN_ANEW = "where Tilt hangs, `kilter down` and then `kilter up` start another one"
TILTFILE = "(Tiltfile)"  # the name of the resource that reads the Tiltfile
WATCH = "FileWatch"  # Tilt's own object for files that it watches, of one resource or several


@dataclass(frozen=True)
class Resource:
    """One resource of a running Tilt.

    `update` is Tilt's word: ok, error, pending, in_progress, none, not_applicable, unknown. `error` is the message of
    the newest build when it failed, `began` and `finished` are when that was.
    """

    name: str
    update: str
    error: str = ""
    began: datetime | None = None
    finished: datetime | None = None

    @property
    def failed(self) -> bool:
        """Whether the newest build failed, and Tilt says why."""
        return self.update == "error" and bool(self.error)


@dataclass(frozen=True)
class Tilt:
    """Builds the commands for one project's Tilt: its own port, state folder, kubeconfig and context."""

    binary: Path | str
    port: int
    home: Path
    kubeconfig: Path
    context: str
    namespace: str

    def up(self, tiltfile: Path) -> Command:
        """Run Tilt until it is ended, logs on standard output.

        The folder that is to hold `home` must exist: Tilt makes the last part of the path alone.
        """
        argv = (str(self.binary), "up", "--stream", "--file", str(tiltfile), "--context", self.context)
        place = ("--namespace", self.namespace, *self._server())
        return Command((*argv, *place), cwd=tiltfile.parent, env=self._environment(), timeout=None)

    def resources(self) -> Command:
        """Ask for the state of all resources, and of the files that are watched for them."""
        return self._ask("get", "uiresources,filewatches", "--output", "json")

    def trigger(self, resource: str) -> Command:
        """Make Tilt build one resource again; of `TILTFILE`, read the Tiltfile again."""
        return self._ask("trigger", resource)

    def _ask(self, *words: str) -> Command:
        verb, *rest = words
        argv = (str(self.binary), verb, *self._server(), *rest)
        return Command(argv, env=self._environment(), timeout=20, hint=BEGIN_ANEW)

    def _server(self) -> tuple[str, ...]:
        return "--host", HOST, "--port", str(self.port)

    def _environment(self) -> dict[str, str | None]:
        """Pin what Tilt would otherwise take from the user's environment. TILT_WEB_MODE: no build tool for its page."""
        # Its certificates and extensions do not follow TILT_DEV_DIR. No child of Tilt misses these folders: docker
        # keeps what it has in ~/.docker, and kilter's Tiltfile starts nothing else.
        own = self.kubeconfig.parent.parent / "tilt.d"
        return {
            **environment(self.kubeconfig),
            **{f"XDG_{kind.upper()}_HOME": str(own / kind) for kind in ("cache", "data", "state")},
            "TILT_DEV_DIR": str(self.home),
            "TILT_WEB_MODE": "prod",
            "TILT_DISABLE_ANALYTICS": "1",
            "DO_NOT_TRACK": "1",
            "TILT_CONFIG": None,  # a file of the user's, into which Tilt writes where it is to be reached
            "TILT_HOST": None,
            "TILT_PORT": None,
        }


def parse_resources(text: str) -> tuple[Resource, ...]:
    """Read the answer to `Tilt.resources`, by name: Tilt's own order is another one each time."""
    items = json.loads(text).get("items") or ()
    resources = (_resource(item) for item in items if item.get("kind") != WATCH)
    return tuple(sorted(resources, key=lambda each: each.name))


def parse_unwatched(text: str) -> dict[str, str]:
    """Read from the same answer whose files Tilt could not watch, and why; it never tries again by itself."""
    items = [item for item in json.loads(text).get("items") or () if item.get("kind") == WATCH]
    errors = sorted((_watched_for(item), (item.get("status") or {}).get("error") or "") for item in items)
    # What it did, with the place in quotes, stands before what became of it.
    return {name: error.rpartition('"): ')[2] for name, error in errors if error}


def _watched_for(item: dict[str, Any]) -> str:
    metadata = item["metadata"]
    return str(metadata.get("annotations", {}).get("tilt.dev/resource", metadata["name"]))


def _resource(item: dict[str, Any]) -> Resource:
    status = item.get("status") or {}
    history = status.get("buildHistory") or [{}]
    return Resource(
        name=item["metadata"]["name"],
        update=status.get("updateStatus") or "unknown",
        error=history[0].get("error") or "",
        began=_moment(history[0].get("startTime")),
        finished=_moment(history[0].get("finishTime")),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
