"""What the API server is asked, what it answers, and what answers in its place."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from kilter.errors import MachineLacks
from kilter.operator import kinds
from kilter.operator.kinds import Object
from kilter.operator.kube import Conflict, Gone, Kube, KubeError, Missing, configuration, error_of

QUOTA: Object = {
    "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "kilter.dev", "namespace": "acme-shop-dev"},
}  # fmt: skip
PLACE = "/api/v1/namespaces/acme-shop-dev/resourcequotas"


def answered(*answers: httpx2.Response) -> tuple[Kube, list[httpx2.Request]]:
    """An API server that answers so, one after the other; returns it with what it is asked."""
    asked, left = list[httpx2.Request](), iter(answers)

    def serve(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return next(left)

    return Kube(httpx2.Client(base_url="https://api", transport=httpx2.MockTransport(serve))), asked


def refused(code: int, reason: str = "", **details: str) -> httpx2.Response:
    return httpx2.Response(code, json={"reason": reason, "message": f"{reason}, it says", "details": details})


@pytest.mark.requirement("F30")
@pytest.mark.parametrize("text", ["<html>Sign in</html>", "", "[]"])
def test_an_answer_that_is_no_object_is_a_failure_like_any_other(text: str) -> None:
    """Anything else ended the thread that keeps the lease, and with it the operator, for another one that leads."""
    kube, _ = answered(httpx2.Response(200, text=text))
    with pytest.raises(KubeError, match="the API server answered 200 Unreadable"):
        kube.get(kinds.LEASE, "kilter-system", "kilter-operator")


@pytest.mark.requirement("F30")
def test_an_object_is_gone_only_where_the_server_names_it() -> None:
    """One that has just started does not know its custom kinds yet."""
    kube, _ = answered(refused(404, "NotFound", name="shop"), refused(404, "NotFound"))
    assert kube.get(kinds.APP, "kilter-apps", "shop") is None
    with pytest.raises(Missing):
        kube.get(kinds.APP, "kilter-apps", "shop")


def test_a_list_says_of_each_object_what_it_is_and_is_empty_for_a_kind_that_is_unknown() -> None:
    items = {"items": [{"metadata": QUOTA["metadata"]}]}
    kube, asked = answered(*[httpx2.Response(200, json=items)] * 2, refused(404, "NotFound"))
    assert kube.list(kinds.RESOURCE_QUOTA, "acme-shop-dev", "a=b") == [QUOTA]
    assert kube.list(kinds.RESOURCE_QUOTA) == [QUOTA]
    assert kube.list(kinds.RESOURCE_QUOTA) == []
    assert [(each.url.path, dict(each.url.params)) for each in asked[:2]] == [
        (PLACE, {"labelSelector": "a=b"}),
        ("/api/v1/resourcequotas", {}),
    ]


@pytest.mark.parametrize(
    ("ask", "method", "path", "params", "media"),
    [
        (lambda kube: kube.apply(QUOTA), "PATCH", f"{PLACE}/kilter.dev", {"force": "false"}, "apply-patch+yaml"),
        (lambda kube: kube.apply(QUOTA, force=True, subresource="status"), "PATCH", f"{PLACE}/kilter.dev/status",
         {"force": "true"}, "apply-patch+yaml"),
        (lambda kube: kube.create(QUOTA), "POST", PLACE, {}, "json"),
        (lambda kube: kube.replace(QUOTA), "PUT", f"{PLACE}/kilter.dev", {}, "json"),
        (lambda kube: kube.merge(kinds.RESOURCE_QUOTA, "acme-shop-dev", "kilter.dev", QUOTA), "PATCH",
         f"{PLACE}/kilter.dev", {}, "merge-patch+json"),
    ],
)  # fmt: skip
def test_what_is_written_is_written_in_kilters_name(
    ask: Callable[[Kube], Object], method: str, path: str, params: dict[str, str], media: str
) -> None:
    kube, asked = answered(httpx2.Response(200, json={"kind": "as it is now"}))
    assert ask(kube) == {"kind": "as it is now"}
    [request] = asked
    assert (request.method, request.url.path) == (method, path)
    assert dict(request.url.params) == {"fieldManager": "kilter-operator", **params}
    assert request.headers["Content-Type"] == f"application/{media}"
    assert json.loads(request.content) == QUOTA


@pytest.mark.parametrize(
    ("answer", "deleted"),
    [
        (httpx2.Response(200, json={}), True),
        (refused(404, "NotFound", name="shop-1"), False),
        (refused(409, "Conflict", name="shop-1"), False),
    ],
)
def test_only_the_very_object_is_deleted_and_a_later_one_of_its_name_stays(
    answer: httpx2.Response, deleted: bool
) -> None:
    kube, asked = answered(answer)
    assert kube.delete(kinds.POD, "acme-shop-dev", "shop-1", "u1") is deleted
    [request] = asked
    assert (request.method, request.url.path) == ("DELETE", "/api/v1/namespaces/acme-shop-dev/pods/shop-1")
    assert json.loads(request.content) == {"preconditions": {"uid": "u1"}, "propagationPolicy": "Background"}


def test_a_deletion_that_is_refused_is_no_object_that_is_gone() -> None:
    kube, _ = answered(refused(403, "Forbidden"))
    with pytest.raises(KubeError, match="403 Forbidden"):
        kube.delete(kinds.POD, "acme-shop-dev", "shop-1", "u1")


def test_a_log_that_cannot_be_read_is_none_and_no_word_of_the_server_stands_in_its_place() -> None:
    kube, asked = answered(refused(403, "Forbidden"), httpx2.Response(200, text="started"))
    found = [kube.log("acme-shop-dev", "shop-1", "app", previous=False, lines=3) for _ in range(2)]
    assert found == ["", "started"]
    assert "Content-Type" not in asked[0].headers


@pytest.mark.parametrize(
    ("code", "body", "kind", "said", "why"),
    [
        (404, b'{"reason": "NotFound", "message": "m"}', Missing, "answered 404 NotFound", "m"),
        (409, b'{"reason": "Conflict", "message": "m", "details": null}', Conflict, "answered 409 Conflict", "m"),
        (410, b'{"message": "m"}', Gone, "answered 410 error", "m"),
        (502, b"<html>Bad\xff", KubeError, "answered 502 error", "<html>Bad\ufffd"),
        (502, b'["x"]', KubeError, "answered 502 error", '["x"]'),
    ],
)
def test_what_the_server_says_is_told_whatever_form_it_has(
    code: int, body: bytes, kind: type[KubeError], said: str, why: str
) -> None:
    error = error_of(code, body)
    assert type(error) is kind
    assert said in error.what
    assert (error.code, error.why, error.named) == (code, why, False)
    assert len(error_of(code, b"x" * 5000).why) == 1000


@pytest.mark.requirement("F30")
def test_a_server_that_does_not_answer_is_out_of_reach() -> None:
    def serve(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused")

    kube = Kube(httpx2.Client(base_url="https://api", transport=httpx2.MockTransport(serve)))
    with pytest.raises(KubeError, match="the API server is out of reach") as caught:
        kube.get(kinds.POD, "acme-shop-dev", "shop-1")
    assert (caught.value.code, caught.value.reason, caught.value.why) == (0, "ConnectError", "connection refused")


@pytest.mark.parametrize("text", [None, "apiVersion: v1\nkind: Config\n", "clusters: []\ncontexts: []\nusers: []\n"])
def test_a_kubeconfig_that_names_no_cluster_is_told_of(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config").write_text(text)
    with pytest.raises(MachineLacks, match="does not know its cluster") as caught:
        configuration(tmp_path / "config")
    assert "KUBECONFIG" in caught.value.hint
