"""Commands for Helm: charts and values become manifests without a cluster, or a release of the platform on one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kilter.errors import BadInput
from kilter.proc import Command
from kilter.tools.versions import KUBERNETES_VERSION

UPGRADE_LIMIT = 300.0  # seconds
FORGOTTEN = (  # what a user's shell may hold for a Helm of their own
    "HELM_DEBUG", "HELM_DRIVER", "HELM_KUBEAPISERVER", "HELM_KUBECONTEXT", "HELM_KUBETOKEN", "HELM_NAMESPACE",
    "HELM_PLUGINS", "HELM_REGISTRY_CONFIG", "HELM_REPOSITORY_CACHE", "HELM_REPOSITORY_CONFIG",
)  # fmt: skip


def template(helm: Path | str, release: str, chart: Path, *, namespace: str, values: str, scratch: Path) -> Command:
    """Render a chart with the values of a YAML text; no cluster is asked and nothing is downloaded.

    Helm's own files go to the folder `scratch`, so that the user's repositories and plugins play no part. The command
    raises BadInput with Helm's words when the chart refuses the values.
    """
    argv = (str(helm), "template", release, str(chart), "--namespace", namespace, "--values", "-")
    return Command(
        (*argv, "--kube-version", KUBERNETES_VERSION, "--include-crds"),
        env=_environment(scratch),
        stdin=values,
        timeout=90,
        error=BadInput,
    )


@dataclass(frozen=True)
class Helm:
    """Builds the commands for the releases of one cluster and namespace.

    `kubeconfig` holds one context. Helm's own files go to the folder `scratch`. `trace` is a file that lets name the
    helm that changes a release, as a Command's is.
    """

    binary: Path | str
    kubeconfig: Path
    namespace: str
    scratch: Path
    trace: Path | None = None

    def upgrade(self, release: str, chart: Path, values: str) -> Command:
        """Install a release, or bring it up to date. Raises Failed with Helm's words when the cluster refuses it."""
        argv = ("upgrade", "--install", release, str(chart), "--values", "-", "--history-max", "10")
        return self._command(*argv, stdin=values, timeout=UPGRADE_LIMIT, trace=self.trace)

    def uninstall(self, release: str) -> Command:
        """Remove a release; one that is not there is fine."""
        return self._command("uninstall", release, "--ignore-not-found", timeout=300)

    def releases(self) -> Command:
        """Ask for the releases as JSON."""
        return self._command("list", "--output", "json", timeout=60)

    def pending(self) -> Command:
        """Ask, as JSON, for the releases whose last change, or whose removal, was begun and not ended."""
        return self._command("list", "--pending", "--uninstalling", "--output", "json", timeout=60)

    def _command(self, *arguments: str, stdin: str | None = None, timeout: float, trace: Path | None = None) -> Command:
        place = ("--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace)
        env = {**_environment(self.scratch), "KUBECONFIG": str(self.kubeconfig)}
        argv = (str(self.binary), *arguments, *place)
        return Command(argv, env=env, stdin=stdin, timeout=timeout, trace=trace)


@dataclass(frozen=True)
class Pending:
    """A change of a release that was begun: its revision, and since when, by the clock of who began it.

    Of a removal (`is_removal`) Helm tells when the release was last changed, not when its removal was begun.
    """

    name: str
    revision: int
    since: datetime
    is_removal: bool = False

    @property
    def record(self) -> str:
        """The Secret in which Helm keeps it."""
        return f"sh.helm.release.v1.{self.name}.v{self.revision}"


def parse_releases(text: str) -> dict[str, Mapping[str, Any]]:
    """Read the answer to `Helm.releases`: what Helm says of each release, by its name."""
    return {str(each["name"]): each for each in json.loads(text or "[]")}


def parse_pending(text: str) -> tuple[Pending, ...]:
    """Read the answer to `Helm.pending`."""
    return tuple(
        Pending(each["name"], int(each["revision"]), _time(each["updated"]), each["status"] == "uninstalling")
        for each in json.loads(text or "[]")
    )


def version(helm: Path | str) -> Command:
    """Ask for the version; the answer is `v4.1.4+g1234567`."""
    return Command((str(helm), "version", "--short"), timeout=20)


def _time(text: str) -> datetime:
    """Read a time as Go prints it: `2026-11-22 02:37:17.666345733 +0000 UTC`."""
    date, hour, offset = text.split()[:3]
    return datetime.strptime(f"{date} {hour[:8]} {offset}", "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)


def _environment(scratch: Path) -> dict[str, str | None]:
    homes = {f"HELM_{kind.upper()}_HOME": str(scratch / kind) for kind in ("cache", "config", "data")}
    return {**dict.fromkeys(FORGOTTEN), **homes, "KUBECONFIG": "/dev/null"}
