"""The cluster's own files: kind's config, and where the node's container engine pulls from."""

from collections.abc import Iterable, Mapping

from kilter.errors import BadInput
from kilter.render.model import Plan
from kilter.render.options import RenderOptions
from kilter.render.text import HEADER, dump, load_all

MAPPED = 19  # numbers of a block of 20; the last one is Tilt's own and must stay free on the host
VOLUMES_MOUNT = "/var/local-path-provisioner"  # where kind's storage class keeps its volumes
IDENTITY_MOUNT = "/kilter"
CERTS_MOUNT = "/etc/containerd/certs.d"
KUBELET_MOUNT = "/etc/systemd/system/kubelet.service.d/20-kilter.conf"
KUBELET_UNIT = "kubelet.conf"  # in the identity folder
SERVICE_SUBNET = "10.96.0.0/16"  # kind's default; what is in the unit goes by it
# One node has nobody to elect a leader against, and its controllers and images need no brake against each other: the
# defaults cost seven seconds of every start. kind gives these words to any version of kubeadm.
BRISK = {"leader-elect": "false", "kube-api-qps": "200", "kube-api-burst": "400"}
SINGLE_NODE = {
    "kind": "ClusterConfiguration",
    "controllerManager": {"extraArgs": BRISK},
    "scheduler": {"extraArgs": BRISK},
}
SERVERS = {"docker.io": "https://registry-1.docker.io"}  # the registries whose API is not at their own name


def kind_config(plan: Plan, options: RenderOptions) -> str:
    """Return kind's cluster config: one node, the whole block of ports mapped to it, kilter's folders mounted.

    Raises BadInput when a port of the plan is outside the block and Tilt's, or the extra config is no map.
    """
    node: dict[str, object] = {"role": "control-plane"}
    if options.node_image:
        node["image"] = options.node_image
    node["extraPortMappings"] = [
        {"containerPort": number, "hostPort": number, "listenAddress": address, "protocol": "TCP"}
        for number in options.mapped or mapped_ports(plan, options.base)
        for address in (["127.0.0.1", "::1"] if options.ipv6 else ["127.0.0.1"])
    ]
    node["extraMounts"] = list(_mounts(options))
    config: dict[str, object] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": plan.cluster,
        "networking": {"apiServerAddress": "127.0.0.1", "serviceSubnet": SERVICE_SUBNET},
    }
    kubelet: dict[str, object] = {"kind": "KubeletConfiguration", "serializeImagePulls": False}
    if options.cgroup_v1:
        kubelet["failCgroupV1"] = False
    config["kubeadmConfigPatches"] = [dump(SINGLE_NODE, header=""), dump(kubelet, header=""), *options.kubeadm_patches]
    return dump(config | {"nodes": [node]} | _extra(options))


def mapped_ports(plan: Plan, base: int) -> tuple[int, ...]:
    """Return all numbers that the node maps: the block without Tilt's number, and ports pinned outside the block."""
    return tuple(sorted(set(range(base, base + MAPPED)) | set(plan.node_ports())))


def hosts_toml(mirror: str, server: str) -> str:
    """Return containerd's `hosts.toml` for one registry: ask `mirror` first, then `server` itself.

    Both are URLs; with the same URL twice there is no other server to fall back to.
    """
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in (server, mirror)]
    header = HEADER.replace("kilter.yaml. Edits are overwritten; change kilter.yaml instead.", "its own settings.")
    return f'{header}server = "{quoted[0]}"\n\n[host."{quoted[1]}"]\n  capabilities = ["pull", "resolve"]\n'


def registry_hosts(caches: Mapping[str, str], registry_names: Iterable[str], registry_url: str) -> dict[str, str]:
    """Return the files of the folder that every node mounts at `/etc/containerd/certs.d`.

    `caches` maps a registry's host to the URL of its cache as nodes reach it; `registry_names` are the names under
    which images of the machine's own registry are referenced, all of them served by `registry_url`.
    """
    files = {host: hosts_toml(cache, SERVERS.get(host, f"https://{host}")) for host, cache in caches.items()}
    files |= {name: hosts_toml(registry_url, registry_url) for name in registry_names}
    return {f"{host}/hosts.toml": text for host, text in sorted(files.items())}


def _mounts(options: RenderOptions) -> Iterable[dict[str, object]]:
    if options.data_dir:
        yield {"hostPath": str(options.data_dir), "containerPath": VOLUMES_MOUNT}
    if options.identity_dir:
        yield {"hostPath": str(options.identity_dir), "containerPath": IDENTITY_MOUNT, "readOnly": True}
        unit = options.identity_dir / KUBELET_UNIT
        yield {"hostPath": str(unit), "containerPath": KUBELET_MOUNT, "readOnly": True}
    if options.certs_dir:
        yield {"hostPath": str(options.certs_dir), "containerPath": CERTS_MOUNT, "readOnly": True}


def _extra(options: RenderOptions) -> dict[str, object]:
    documents = load_all(options.cluster_patch) if options.cluster_patch else [{}]
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise BadInput("the extra cluster config must be one YAML map")
    taken = {"kind", "apiVersion", "name", "nodes", "networking", "kubeadmConfigPatches"} & set(documents[0])
    if taken:
        raise BadInput(f"the extra cluster config must not set {', '.join(sorted(taken))}", why="kilter sets it")
    return documents[0]
