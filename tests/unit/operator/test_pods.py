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


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_node_that_asked_without_the_pods_login_asks_again_and_the_wait_says_so(reason: str) -> None:
    """DP-Q45: under load a kubelet pulls before it has read the Secret of a new namespace."""
    waiting = [pulling(ANONYMOUS, reason=reason)]
    assert pods.failure(waiting, (), LOGINS) is None
    assert pods.anonymous(waiting, LOGINS) == ("the node asked for the image of web without the login of Pod shop-1",)


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


def test_a_registry_that_does_not_answer_is_waited_for() -> None:
    assert pods.failure([pulling(IMAGE + "dial tcp 10.0.0.1:443: i/o timeout")], (), LOGINS) is None
