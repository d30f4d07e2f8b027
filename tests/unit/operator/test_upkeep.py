"""Starting the registry anew: what is asked of the API server, and when the wait ends."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from kilter.errors import TimedOut
from kilter.operator.kube import Kube, Missing
from kilter.operator.upkeep import LIMIT, Clock, await_ready, is_ready, restart

PATH = "/apis/apps/v1/namespaces/kilter-system/deployments/kilter-registry"
NIGHT = datetime(2026, 5, 1, 3, 17, 5, tzinfo=UTC)


def deployment(*, generation: int = 8, observed: int = 8, counts: tuple[int, ...] = (1, 1, 1)) -> dict[str, Any]:
    names = ("replicas", "updatedReplicas", "availableReplicas")
    status = {name: count for name, count in zip(names, counts, strict=True) if count}
    return {
        "metadata": {"name": "kilter-registry", "generation": generation},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": observed, **status},
    }


@dataclass
class Api:
    """An API server that gives its answers in turn, the last of them for ever, and keeps what it was asked."""

    answers: list[httpx2.Response | httpx2.HTTPError]
    requests: list[httpx2.Request] = field(default_factory=list)
    now: float = 0.0

    @property
    def kube(self) -> Kube:
        return Kube(httpx2.Client(base_url="https://api", transport=httpx2.MockTransport(self._answer)))

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx2.HTTPError):
            raise answer
        return httpx2.Response(answer.status_code, content=answer.content)


def found(**more: Any) -> httpx2.Response:
    return httpx2.Response(200, json=deployment(**more))


def test_it_sets_the_annotation_that_kubectl_rollout_restart_sets_and_nothing_else() -> None:
    api = Api([found(generation=9)])
    assert restart(api.kube, "kilter-system", NIGHT) == 9
    (asked,) = api.requests
    assert (asked.method, asked.url.path) == ("PATCH", PATH)
    assert asked.headers["content-type"] == "application/merge-patch+json"
    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-05-01T03:17:05+00:00"}
    assert json.loads(asked.content) == {"spec": {"template": {"metadata": {"annotations": annotations}}}}


def test_without_a_registry_there_is_nothing_to_start() -> None:
    missing = {"reason": "NotFound", "message": "not found", "details": {"name": "kilter-registry"}}
    with pytest.raises(Missing):
        restart(Api([httpx2.Response(404, json=missing)]).kube, "kilter-system", NIGHT)


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (deployment(), True),
        (deployment(observed=7), False),
        (deployment(observed=9), True),
        (deployment(counts=(1, 0, 1)), False),  # the old pod
        (deployment(counts=(0, 0, 0)), False),  # between the two
        (deployment(counts=(1, 1, 0)), False),  # collecting
        (deployment(counts=(2, 1, 1)), False),
        (deployment(counts=(0, 0, 0)) | {"spec": {"replicas": 0}}, True),  # switched off, and so it stays
        ({"metadata": {}, "spec": {}}, False),
    ],
)
def test_it_serves_when_all_pods_are_new_and_ready(status: dict[str, Any], ready: bool) -> None:
    assert is_ready(status, 8) is ready


def test_it_waits_through_answers_that_fail_until_the_registry_serves() -> None:
    failing: list[httpx2.Response | httpx2.HTTPError] = [httpx2.ConnectError("refused"), httpx2.Response(503, json={})]
    api = Api([found(counts=(1, 0, 1)), *failing, found(counts=(1, 1, 0)), found()])
    await_ready(api.kube, "kilter-system", 8, api.clock)
    assert (len(api.requests), api.now) == (5, 4.0)


def test_a_registry_that_does_not_come_back_is_told_of_with_where_to_look() -> None:
    api = Api([found(counts=(1, 1, 0))])
    with pytest.raises(TimedOut, match="does not serve after 900 s") as raised:
        await_ready(api.kube, "kilter-system", 8, api.clock)
    assert raised.value.hint == (
        "kubectl --namespace kilter-system describe pods --selector app.kubernetes.io/name=kilter-registry"
    )
    assert LIMIT < api.now < LIMIT + 5
