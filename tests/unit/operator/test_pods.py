"""What the pods of a release say of themselves: what ends the wait at once, and what passes by itself."""

import pytest

from kilter.operator.steps import pods
from kilter.operator.steps.base import Failed
from kilter.operator.views import Container, ContainerState, Held, Meta, Pod, PodStatus

IMAGE = 'failed to pull and unpack image "registry.example.com/acme/shop@sha256:aa": failed to resolve reference: '
ANONYMOUS = IMAGE + "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"


LOGINS = frozenset({"registry.example.com"})


def pulling(message: str, image: str = "registry.example.com/acme/shop@sha256:aa", reason: str = "ErrImagePull") -> Pod:
    """Return a pod whose only container waits for its image."""
    held = ContainerState(waiting=Held(reason=reason, message=message))
    return Pod(
        metadata=Meta(name="shop-1"),
        status=PodStatus(container_statuses=(Container(name="web", image=image, state=held),)),
    )


@pytest.mark.parametrize(
    "message",
    [
        IMAGE + "registry.example.com/acme/shop@sha256:aa: not found",
        IMAGE + "unexpected status from HEAD request: 403 Forbidden",
        IMAGE + "pull access denied, repository does not exist or may require authorization",
    ],
)
def test_an_image_that_the_registry_refuses_ends_the_wait_at_once(message: str) -> None:
    """DP-Q45."""
    found = pods.failure([pulling(message)], (), LOGINS)
    assert isinstance(found, Failed)
    assert (found.reason, found.object) == ("ImagePullFailed", "Pod shop-1")
    assert pods.unpulled([pulling(message)], LOGINS) == ()


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_node_that_asked_without_the_pods_login_asks_again_and_the_wait_says_so(reason: str) -> None:
    """DP-Q45: under load a kubelet pulls before it has read the Secret of a new namespace."""
    waiting = [pulling(ANONYMOUS, reason=reason)]
    assert pods.failure(waiting, (), LOGINS) is None
    assert pods.anonymous(waiting, LOGINS) == ("the node asked for the image of web without the login of Pod shop-1",)
    assert pods.unpulled(waiting, LOGINS) == ()


@pytest.mark.parametrize(
    ("image", "logins"),
    [
        ("registry.example.com/acme/shop@sha256:aa", frozenset[str]()),
        ("ghcr.io/acme/shop@sha256:aa", LOGINS),
        ("registry.example.com:5000/acme/shop@sha256:aa", LOGINS),
        ("acme/shop@sha256:aa", LOGINS),
    ],
)
def test_without_a_login_for_its_registry_an_anonymous_refusal_is_final(image: str, logins: frozenset[str]) -> None:
    """DP-Q45: the node has nothing to ask again with."""
    waiting = [pulling(ANONYMOUS, image)]
    assert pods.failure(waiting, (), logins) is not None
    assert pods.anonymous(waiting, logins) == ()


@pytest.mark.parametrize(
    ("image", "login"),
    [("acme.azurecr.io/shop@sha256:aa", "*.azurecr.io"), ("acme/shop@sha256:aa", "docker.io"),
     ("docker.io/acme/shop@sha256:aa", "docker.io")],
)  # fmt: skip
def test_a_login_counts_for_the_registries_that_its_name_stands_for(image: str, login: str) -> None:
    assert pods.failure([pulling(ANONYMOUS, image)], (), frozenset({login})) is None


AWAY = [
    "dial tcp 10.0.0.1:443: i/o timeout",
    "dial tcp 10.0.0.1:443: connect: connection refused",
    "dial tcp: lookup registry.example.com on 10.96.0.10:53: no such host",
    "read tcp 10.0.0.2:41000->10.0.0.1:443: read: connection reset by peer",
    "net/http: TLS handshake timeout",
    "failed to do request: Head https://registry.example.com/v2/acme/shop/manifests/sha256:aa: EOF",
    "failed to copy: httpReadSeeker: failed open: unexpected EOF",
    "unexpected status from HEAD request to https://registry.example.com/v2/acme/shop: 502 Bad Gateway",
    "unexpected status from HEAD request to https://registry.example.com/v2/acme/shop: 503 Service Unavailable",
    "received unexpected HTTP status: 500 Internal Server Error",
    "failed to authorize: failed to fetch oauth token: unexpected status: 504 Gateway Timeout",
    "unexpected status from HEAD request to https://registry.example.com/v2/acme/shop: 429 Too Many Requests",
]


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
@pytest.mark.parametrize("message", AWAY)
def test_a_registry_that_is_away_is_waited_for(message: str, reason: str) -> None:
    """DP-Q45: the node asks again by itself, and the wait says so."""
    waiting = [pulling(IMAGE + message, reason=reason)]
    assert pods.failure(waiting, (), LOGINS) is None
    (said,) = pods.unpulled(waiting, LOGINS)
    assert said == f"the node could not pull the image of web, and tries again: {IMAGE}{message}"


@pytest.mark.parametrize("app", ["denied", "forbidden", "unauthorized"])
def test_the_name_of_an_image_is_no_answer_of_the_registry(app: str) -> None:
    """DP-Q45."""
    image, away = f"registry.example.com/acme/{app}@sha256:aa", "dial tcp 10.0.0.1:443: connect: connection refused"
    asked = f'Head "https://registry.example.com/v2/acme/{app}/manifests/sha256:aa": {away}'
    for said in (f'failed to pull and unpack image "{image}": {asked}', f"failed to resolve {image}: {asked}"):
        assert pods.failure([pulling(said, image)], (), LOGINS) is None
    refused = f'failed to pull and unpack image "{image}": {image}: not found'
    assert pods.failure([pulling(refused, image)], (), LOGINS) is not None


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError"])
def test_what_a_busy_node_says_of_a_container_is_waited_for(reason: str) -> None:
    """DP-Q45: a new pod's Secrets are read within a second, or on the next try."""
    busy = "failed to sync secret cache: timed out waiting for the condition"
    assert pods.failure([pulling(busy, reason=reason)], (), LOGINS) is None
    found = pods.failure([pulling('secret "x" not found', reason=reason)], (), LOGINS)
    assert found is not None
    assert found.reason == reason
