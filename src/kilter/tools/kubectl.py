"""Commands for kubectl. Every one names the project's own file and context; the user's default file plays no part."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kilter.errors import NotAllowed
from kilter.proc import Command

# `~/.kube/kuberc` gives flags defaults: `delete` asks somebody who is not there, any command speaks to another server.
# The second name is for releases that know the file as an experiment.
NO_PREFERENCES = {"KUBERC": "off", "KUBECTL_KUBERC": "false"}
# Flags without a value that may stand before `s` in a bundle such as `-As https://…`.
_SERVER_BUNDLE = re.compile(r"-[ARwitqh]*s")
_SERVER_BUNDLE_OF_LOGS = re.compile(r"-[fph]*s")  # elsewhere `-f` and `-p` have a value: `apply -fsite.yaml`
# kubectl's flags for all commands that have no value; behind any other the next word is its value.
_SWITCHES = frozenset(
    {
        "-h",
        "--help",
        "--version",
        "--disable-compression",
        "--insecure-skip-tls-verify",
        "--match-server-version",
        "--warnings-as-errors",
    }
)
_CONFIG_WRITERS = re.compile(r"(set|unset|use|delete|rename)(-.*)?\Z")


@dataclass(frozen=True)
class Kubectl:
    """Builds the commands for one project's cluster and namespace."""

    binary: Path | str
    kubeconfig: Path
    context: str
    namespace: str

    def get(self, *what: str, selector: str = "", timeout: float = 20) -> Command:
        """Ask for objects as JSON, e.g. `get("pods,services")` or `get("pod", "postgres-0")`; a missing one is fine."""
        chosen = ("--selector", selector) if selector else ()
        limit = f"--request-timeout={in_seconds(timeout)}"
        argv = ("get", *what, *chosen, "--output", "json", "--ignore-not-found", limit)
        return self._command(*argv, timeout=timeout + 10)

    def get_raw(self, path: str, timeout: float = 5) -> Command:
        """Ask the API server for a path such as `/readyz`."""
        return self._command("get", "--raw", path, f"--request-timeout={in_seconds(timeout)}", timeout=timeout + 5)

    def logs(self, what: str, *, container: str = "", flags: Sequence[str] = (), follow: bool = False) -> Command:
        """Print the logs of a pod or workload (`statefulset/postgres`); `flags` are kubectl's own, e.g. `--tail=20`."""
        chosen = (f"--container={container}",) if container else ("--all-containers",)
        live = ("--follow",) if follow else ()
        return self._command("logs", what, *chosen, *live, *flags, timeout=None if follow else 60)

    def restart(self, what: str) -> Command:
        """Replace the pods of a workload, keeping its volumes."""
        return self._command("rollout", "restart", what)

    def annotate(self, what: str, name: str, note: str) -> Command:
        """Write one annotation of an object, or change it."""
        return self._command("annotate", "--overwrite", what, name, note)

    def execute(self, pod: str, *argv: str, container: str = "") -> Command:
        """Run a program in a pod (`statefulset/postgres` works too)."""
        chosen = (f"--container={container}",) if container else ()
        return self._command("exec", pod, *chosen, "--", *argv, timeout=600)

    def apply(self, manifests: str) -> Command:
        """Apply manifests given as text, server-side, as the field manager `kilter`."""
        flags = ("--server-side", "--field-manager=kilter", "--filename=-")
        return self._command("apply", *flags, stdin=manifests, timeout=120)

    def delete(self, *what: str, wait: bool = True) -> Command:
        """Delete objects; a missing one is fine."""
        return self._command("delete", *what, "--ignore-not-found", f"--wait={str(wait).lower()}", timeout=180)

    def unclaim(self, volume: str) -> Command:
        """Let a PersistentVolume forget which claim of its claim's name it belonged to, so that a new one gets it."""
        patch = '[{"op": "remove", "path": "/spec/claimRef/uid"}]'
        return self._command("patch", "persistentvolume", volume, "--type=json", f"--patch={patch}")

    def passthrough(self, arguments: Sequence[str]) -> Command:
        """Hand the user's own arguments to kubectl (`kilter kubectl -- …`).

        Raises NotAllowed for an argument that would lead to another cluster, or change the project's file (NS-Q9).
        """
        for flag, value in _reaching_elsewhere(arguments):
            own = {"--context": self.context, "--cluster": self.context, "--kubeconfig": str(self.kubeconfig)}.get(flag)
            if value != own or own is None:
                raise NotAllowed(
                    f"`kilter kubectl` only speaks to {self.context}",
                    why=f"{flag} {value} would lead to another cluster",
                    hint="leave the flag out, or call kubectl yourself",
                )
        words = list(_words(arguments))
        if words[:1] == ["config"] and any(_CONFIG_WRITERS.match(word) for word in words[1:2]):
            raise NotAllowed(
                f"`kubectl config {words[1]}` would change {self.kubeconfig}",
                why="kilter writes that file, and it holds exactly one context",
                hint="call kubectl yourself to change a file of your own",
            )
        # No flags in front: kubectl refuses them before the name of a plugin. The file holds one context and namespace.
        return Command((str(self.binary), *arguments), env=environment(self.kubeconfig), timeout=None)

    def _command(self, *arguments: str, stdin: str | None = None, timeout: float | None = 60) -> Command:
        place = ("--kubeconfig", str(self.kubeconfig), "--context", self.context, "--namespace", self.namespace)
        return Command(
            (str(self.binary), *place, *arguments), env=environment(self.kubeconfig), stdin=stdin, timeout=timeout
        )


def environment(kubeconfig: Path) -> dict[str, str | None]:
    """Return what keeps a client out of the user's `~/.kube`: the project's file, kilter's cache, no preferences."""
    return {
        "KUBECONFIG": str(kubeconfig),
        "KUBECACHEDIR": str(kubeconfig.parent.parent / "kube.d"),
        **NO_PREFERENCES,
    }


def parse_list(text: str) -> tuple[dict[str, Any], ...]:
    """Read the answer to `Kubectl.get`: the objects, however many, as plain dictionaries."""
    if not text.strip():
        return ()
    document = json.loads(text)
    return tuple(document["items"]) if document.get("kind", "").endswith("List") else (document,)


def container_statuses(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a pod says of its containers, those that run before the others first."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _before_dashes(arguments: Sequence[str]) -> list[str]:
    """Return what kubectl reads itself; behind a bare `--` follows the program that runs in a pod."""
    return list(arguments[: arguments.index("--")]) if "--" in arguments else list(arguments)


def _words(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the command and its words, the flags and their values left out as kubectl does to find its command."""
    is_value = False
    for argument in _before_dashes(arguments):
        if not argument.startswith("-") and not is_value:
            yield argument
        is_long = argument.startswith("--")
        is_flag = not is_value and (is_long or (argument.startswith("-") and len(argument) == 2))
        is_value = is_flag and "=" not in argument and argument not in _SWITCHES


def _reaching_elsewhere(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each flag that chooses a cluster, with its value."""
    own = _before_dashes(arguments)
    bundles = _SERVER_BUNDLE_OF_LOGS if "logs" in list(_words(arguments))[:1] else _SERVER_BUNDLE
    for position, argument in enumerate(own):
        flag, equals, value = argument.partition("=")
        following = own[position + 1] if position + 1 < len(own) else ""
        if flag in ("--context", "--kubeconfig", "--cluster", "--server"):
            yield flag, value if equals else following
        elif not argument.startswith("--") and (bundle := bundles.match(argument)):
            yield "-s", argument[bundle.end() :].lstrip("=") or following


def in_seconds(duration: float) -> str:
    """Write seconds as kubectl reads them: without an exponent."""
    return f"{duration:.3f}".rstrip("0").rstrip(".") + "s"
