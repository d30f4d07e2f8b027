"""Commands for Helm: charts and values become manifests without a cluster, or a release of the platform on one."""

from dataclasses import dataclass
from pathlib import Path

from kilter.errors import BadInput
from kilter.proc import Command
from kilter.tools.versions import KUBERNETES_VERSION

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

    `kubeconfig` holds one context. Helm's own files go to the folder `scratch`.
    """

    binary: Path | str
    kubeconfig: Path
    namespace: str
    scratch: Path

    def upgrade(self, release: str, chart: Path, values: str) -> Command:
        """Install a release, or bring it up to date. Raises Failed with Helm's words when the cluster refuses it."""
        argv = ("upgrade", "--install", release, str(chart), "--values", "-", "--history-max", "10")
        return self._command(*argv, stdin=values, timeout=300)

    def uninstall(self, release: str) -> Command:
        """Remove a release; one that is not there is fine."""
        return self._command("uninstall", release, "--ignore-not-found", timeout=300)

    def releases(self) -> Command:
        """Ask for the releases as JSON."""
        return self._command("list", "--output", "json", timeout=60)

    def _command(self, *arguments: str, stdin: str | None = None, timeout: float) -> Command:
        place = ("--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace)
        env = {**_environment(self.scratch), "KUBECONFIG": str(self.kubeconfig)}
        return Command((str(self.binary), *arguments, *place), env=env, stdin=stdin, timeout=timeout)


def version(helm: Path | str) -> Command:
    """Ask for the version; the answer is `v4.1.4+g1234567`."""
    return Command((str(helm), "version", "--short"), timeout=20)


def _environment(scratch: Path) -> dict[str, str | None]:
    homes = {f"HELM_{kind.upper()}_HOME": str(scratch / kind) for kind in ("cache", "config", "data")}
    return {**dict.fromkeys(FORGOTTEN), **homes, "KUBECONFIG": "/dev/null"}
