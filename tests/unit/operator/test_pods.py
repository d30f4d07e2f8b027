"""What the pods of a release say of themselves: what ends the wait at once, and what passes by itself."""

import pytest

from kilter.operator.steps import pods
from kilter.operator.steps.base import Failed
from kilter.operator.views import Container, ContainerState, Held, Meta, Named, Pod, PodSpec, PodStatus

IMAGE = 'failed to pull and unpack image "registry.example.com/acme/shop@sha256:aa": failed to resolve reference: '
ANONYMOUS = IMAGE + "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"


def pulling(message: str, *secrets: str, reason: str = "ErrImagePull") -> Pod:
    """Return a pod whose only container waits for its image."""
    held = ContainerState(waiting=Held(reason=reason, message=message))
    return Pod(
        metadata=Meta(name="shop-1"),
        spec=PodSpec(image_pull_secrets=tuple(Named(name=each) for each in secrets)),
        status=PodStatus(container_statuses=(Container(name="web", state=held),)),
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
    found = pods.failure([pulling(message, "kilter-registry")], ())
    assert isinstance(found, Failed)
    assert (found.reason, found.object) == ("ImagePullFailed", "Pod shop-1")


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_node_that_asked_without_the_pods_login_asks_again_and_the_wait_says_so(reason: str) -> None:
    """DP-Q45: under load a kubelet pulls before it has read the Secret of a new namespace."""
    waiting = [pulling(ANONYMOUS, "kilter-registry", reason=reason)]
    assert pods.failure(waiting, ()) is None
    assert pods.anonymous(waiting) == ("the node asked for the image of web without the login of Pod shop-1",)


def test_without_a_login_an_anonymous_refusal_is_final() -> None:
    """DP-Q45."""
    assert pods.failure([pulling(ANONYMOUS)], ()) is not None
    assert pods.anonymous([pulling(ANONYMOUS)]) == ()


def test_a_registry_that_does_not_answer_is_waited_for() -> None:
    assert pods.failure([pulling(IMAGE + "dial tcp 10.0.0.1:443: i/o timeout", "kilter-registry")], ()) is None
