"""What the API server answers, and what answers in its place."""

import httpx2
import pytest

from kilter.operator import kinds
from kilter.operator.kube import Kube, KubeError


@pytest.mark.requirement("F30")
@pytest.mark.parametrize("text", ["<html>Sign in</html>", "", "[]"])
def test_an_answer_that_is_no_object_is_a_failure_like_any_other(text: str) -> None:
    """Anything else ended the thread that keeps the lease, and with it the operator, for another one that leads."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text=text))
    kube = Kube(httpx2.Client(base_url="https://api", transport=transport))
    with pytest.raises(KubeError, match="the API server answered 200 Unreadable"):
        kube.get(kinds.LEASE, "kilter-system", "kilter-operator")
