"""The table of stages; those nearer to the top start first."""

from testbed import engine, golang, images, node, pins, programs, tools
from testbed.plan import Stage

ENGINE_PINS = (pins.DEBIAN_OLD, pins.DEBIAN_NEW, *programs.NEW_PACKAGES, *programs.OLD_PACKAGES)
PLATFORM = "platform"
ADDRESS = f"{pins.BRIDGE_ADDRESS}/{pins.BRIDGE_BITS}:{pins.MIRROR_PORT}"


def image(folder: str, name: str, title: str, usual: float, *needs: str, pin: str = "") -> Stage:
    """A stage that makes one stand-in image from its recipe folder."""
    extras = {"registry": images.registry_program, "node": images.node_packages}.get(folder)
    return Stage(
        f"image-{folder}",
        title,
        images.from_recipe(folder, name, extras),
        needs=("debian", *needs),
        recipe=(f"images/{folder}",),
        pins=(name, pin),
        usual=usual,
    )


def program_image(name: str, image: str, path: str = "usr/local/bin", user: str = "65534:65534") -> Stage:
    """A stage that makes the image of one program of the platform; `path` is its folder in the image."""
    return Stage(
        f"image-{name}",
        f"image {image}",
        images.of_program(image, f"{path}/{name}".lstrip("/"), user),
        needs=("running", "platform"),
        pins=(image, path, user, images.trust_digest()),
        usual=10,
        purpose=PLATFORM,
    )


STAGES = (
    Stage("engine", "container engine from Debian packages", programs.build, pins=ENGINE_PINS, usual=15),
    Stage("go", "Go toolchain", golang.toolchain, pins=(pins.GO, "1"), usual=2, sound=golang.leads_somewhere),
    Stage(
        "kubernetes", "Kubernetes, etcd and CoreDNS, compiled", golang.kubernetes,
        needs=("go",), recipe=("go/kubernetes",), pins=(pins.KUBERNETES,), usual=480, compiles=True,
    ),
    Stage(
        "policies", "network policies, compiled", golang.policies,
        ("go",), ("go/policies",), (pins.KUBERNETES,), usual=10, compiles=True,
    ),
    Stage("kind", "kind, compiled", golang.kind, ("go",), ("go/kind",), (pins.KIND,), 30, compiles=True),
    Stage(
        "registry", "registry, compiled", golang.registry,
        ("go",), ("go/registry",), (pins.REGISTRY,), usual=60, compiles=True,
    ),
    Stage("tilt", "Tilt, compiled", golang.tilt, ("go",), ("go/tilt",), (pins.TILT,), 200, compiles=True),
    Stage("running", "start the engine and the mirror", engine.start, ("engine",), pins=(ADDRESS,), cached=False),
    Stage(
        "debian", "image debian:trixie-slim", images.debian_image,
        needs=("running",), pins=(pins.DEBIAN_NEW, *images.BASE, images.trust_digest()), usual=30,
    ),
    image("postgres", "postgres:17", "image postgres:17", 45),
    image("redis", "redis:8", "image redis:8", 15),
    image("python", "python:3.13-slim", "image python:3.13-slim", 25),
    Stage("node-root", "file system of a cluster node", node.root, pins=(pins.DEBIAN_OLD, *node.PACKAGES), usual=30),
    Stage("helm-tool", "helm for the mirror", tools.helm, ("debian",), pins=(pins.HELM, pins.HELM_PACKAGE), usual=10),
    image("node", "node:22-slim", "image node:22-slim", 20, pin=f"{pins.NODE} {pins.NPM}"),
    Stage(
        "node", f"image {pins.NODE_IMAGE}", node.image, recipe=("node",),
        needs=("running", "node-root", "kubernetes", "policies"),
        pins=(ADDRESS, *node.MASKED, pins.PAUSE_IMAGE, pins.ETCD_IMAGE, pins.COREDNS_IMAGE,
            pins.PROVISIONER_IMAGE, pins.PROVISIONER_HELPER_IMAGE),
        usual=60,
    ),
    Stage("kubectl-tool", "kubectl for the mirror", tools.kubectl, ("kubernetes",), pins=(pins.KUBERNETES,), usual=2),
    Stage("kind-tool", "kind for the tools mirror", tools.kind, ("kind",), pins=(pins.KIND,), usual=1),
    image("registry", "registry:3", "image registry:3", 10, "registry"),
    Stage("tilt-tool", "Tilt for the tools mirror", tools.tilt, ("tilt",), pins=(pins.TILT,), usual=5),
    Stage(
        "platform", "Flux, Traefik and metrics-server, compiled", golang.platform, needs=("go",),
        recipe=("go/platform",), pins=(*pins.FLUX_IMAGES.values(), pins.TRAEFIK, pins.LEGO, pins.METRICS_SERVER),
        usual=240, compiles=True, purpose=PLATFORM,
    ),
    *(program_image(name, image) for name, image in pins.FLUX_IMAGES.items()),
    program_image("traefik", pins.TRAEFIK_IMAGE, user=""),
    program_image("metrics-server", pins.METRICS_SERVER_IMAGE, path=""),
)  # fmt: skip
