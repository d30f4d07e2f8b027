"""A kubelet's word that it has no log of a container, which it writes where the log would be. Pure."""

from typing import Final

# As `GetKubeletContainerLogs` writes it: pkg/kubelet/kuberuntime/kuberuntime_container.go in kubernetes/kubernetes.
_NONE: Final = "unable to retrieve container logs for "


def printed(text: str) -> str:
    """Return what a container has printed, of what was read as its log: nothing where that is the kubelet's word."""
    return "" if text.startswith(_NONE) else text
