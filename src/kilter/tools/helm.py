"""Commands for Helm, which kilter uses for one thing: to turn a chart and values into manifests, without a cluster."""

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


def version(helm: Path | str) -> Command:
    """Ask for the version; the answer is `v4.1.4+g1234567`."""
    return Command((str(helm), "version", "--short"), timeout=20)


def _environment(scratch: Path) -> dict[str, str | None]:
    homes = {f"HELM_{kind.upper()}_HOME": str(scratch / kind) for kind in ("cache", "config", "data")}
    return {**dict.fromkeys(FORGOTTEN), **homes, "KUBECONFIG": "/dev/null"}
