"""Who reaches whom in a cluster: connections that pods try, under the network policies or with all of them opened."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.cli import docker
from harness.trial import Trial

# A SYN that was dropped is sent again after one second, and after three.
PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def tried(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2.5).close()
    except TimeoutError:
        return "dropped"
    except OSError as error:
        return type(error).__name__
    return "open"

with ThreadPoolExecutor(len(sys.argv)) as pool:
    print(json.dumps(list(pool.map(tried, sys.argv[1:]))))
"""
# Beyond the cluster, as its node sees it: a network namespace with addresses of three kinds.
OUTSIDE = {"internet": "198.51.100.10", "private network": "192.168.77.10", "metadata": "169.254.169.254"}
OPEN = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open-for-a-test}
spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}
"""
STRANGER = """
apiVersion: v1
kind: Pod
metadata: {{name: stranger}}
spec:
  automountServiceAccountToken: false
  containers: [{{name: stranger, image: "{image}", imagePullPolicy: IfNotPresent, command: [sleep, "3600"]}}]
"""
Places = Mapping[str, str]


def reached(here: Trial, namespace: str, pod: str, places: Places) -> dict[str, str]:
    """Let a pod with Python in it connect to places (`host:port`, by name); returns what became of each."""
    inside = ("exec", "--namespace", namespace, pod, "--", "python", "-c", PROBE)
    return dict(zip(places, json.loads(here.kubectl(*inside, *places.values())), strict=True))


def one(here: Trial, namespace: str, pod: str, place: Places) -> str:
    """The same for a single place: what became of it."""
    (answer,) = reached(here, namespace, pod, place).values()
    return answer


def ports(here: Trial, namespace: str) -> dict[str, str]:
    """Every port that a namespace's pods name, as `<namespace>/<app>:<port>`, by the pods' own addresses."""
    found = {}
    for pod in here.objects("pods"):
        metadata, labels = pod["metadata"], pod["metadata"].get("labels", {})
        gone = "deletionTimestamp" in metadata or pod["spec"].get("hostNetwork")
        if metadata["namespace"] != namespace or gone:
            continue
        name = labels.get("app.kubernetes.io/name") or labels.get("k8s-app") or labels.get("app")
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", []):
                number = port["containerPort"]
                found[f"{namespace}/{name}:{number}"] = f"{pod['status']['podIP']}:{number}"
    return found


def outside(node: str) -> dict[str, str]:
    """Make a neighbour of a cluster's node that answers on port 80, in a network of the node's own."""
    first, *more = OUTSIDE.values()
    inside = "ip netns exec world"
    steps = (
        "ip netns add world",
        "ip link add world type veth peer name eth0 netns world",
        "ip address add 198.51.100.1/24 dev world",
        "ip link set world up",
        f"{inside} ip address add {first}/24 dev eth0",
        *(f"{inside} ip address add {address}/32 dev eth0" for address in more),
        f"{inside} ip link set eth0 up",
        *(f"ip route add {address}/32 dev world" for address in more),
    )
    docker("exec", "--privileged", node, "sh", "-ec", "\n".join(steps))
    listen = f"exec {inside} socat TCP-LISTEN:80,fork,reuseaddr SYSTEM:true"
    docker("exec", "--privileged", "--detach", node, "sh", "-c", listen)
    return {name: f"{address}:80" for name, address in OUTSIDE.items()}


def service(name: str, namespace: str, port: int) -> dict[str, str]:
    """A service, by its name in DNS."""
    return {f"{name}.{namespace}.svc": f"{name}.{namespace}.svc.cluster.local:{port}"}


def stranger(here: Trial) -> None:
    """Start a pod with Python in it in the namespace `default`, which has no policies."""
    (server,) = here.objects("deployments", "--field-selector=metadata.name=kilter-server")
    image = server["spec"]["template"]["spec"]["containers"][0]["image"]
    here.kubectl("apply", "--namespace", "default", "--filename", "-", stdin=STRANGER.format(image=image))
    here.kubectl("wait", "pod/stranger", "--namespace=default", "--for=condition=Ready", "--timeout=60s")


@contextmanager
def opened(here: Trial, *namespaces: str) -> Iterator[None]:
    """Let everything in and out of some namespaces: policies add up, so what is left shut is not shut by a policy."""
    try:
        for namespace in namespaces:
            here.kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=OPEN)
        yield
    finally:
        for namespace in namespaces:
            here.kubectl("delete", "networkpolicy", "open-for-a-test", "--namespace", namespace, "--ignore-not-found")
