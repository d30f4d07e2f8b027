"""KilterApps as the tests make and follow them, in the place of kilter-server."""

import time
import urllib.error
from collections.abc import Callable
from typing import Any

from kilter.operator import kinds

from .apiserver import ApiServer

SOON = 60.0  # seconds; the machine may be busy
IMAGE = "registry.example.com/acme/shop@sha256:" + "a" * 64
Thing = dict[str, Any]


def deploy(api: ApiServer, app: str, number: int = 1, **spec: Any) -> str:
    """Apply a KilterApp as kilter-server does; returns the deploy's id."""
    name, deploy_id = f"acme-{app}-dev", f"{app}-{number}"
    wanted = {
        "org": "acme",
        "app": app,
        "env": "dev",
        "class": "ephemeral",
        "deployId": deploy_id,
        "sequence": number,
        "actor": "mia",
        "image": IMAGE,
        "port": 8080,
    }
    metadata = {"name": name, "namespace": "kilter-apps"}
    thing = {"apiVersion": kinds.APP.api_version, "kind": "KilterApp", "metadata": metadata, "spec": wanted | spec}
    api.apply(kinds.APP.path("kilter-apps", name), thing, "kilter-server")
    return deploy_id


def kilter_app(api: ApiServer, app: str) -> Thing:
    found: Thing = api.request("GET", kinds.APP.path("kilter-apps", f"acme-{app}-dev"))
    return found


def status(api: ApiServer, app: str) -> Thing:
    return kilter_app(api, app).get("status") or {}


def until(api: ApiServer, app: str, condition: Callable[[Thing], object], seconds: float = SOON) -> Thing:
    limit = time.monotonic() + seconds
    while not condition(found := status(api, app)):
        assert time.monotonic() < limit, f"still {found}"
        time.sleep(0.1)
    return found


def phase(wanted: str, deploy_id: str) -> Callable[[Thing], bool]:
    return lambda found: found.get("phase") == wanted and found.get("deployId") == deploy_id


def conditions(found: Thing) -> dict[str, str]:
    return {each["type"]: each["status"] for each in found["conditions"]}


def there(api: ApiServer, path: str) -> bool:
    try:
        api.request("GET", path)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return False
    return True


def gone(api: ApiServer, app: str) -> None:
    limit = time.monotonic() + SOON
    while there(api, kinds.APP.path("kilter-apps", f"acme-{app}-dev")):
        assert time.monotonic() < limit, kilter_app(api, app).get("status")
        time.sleep(0.2)


def delete_namespace(api: ApiServer, name: str) -> None:
    """Delete a namespace past kilter, and wait until that very one is gone."""
    path = kinds.NAMESPACE.path("", name)
    uid = api.request("DELETE", path)["metadata"]["uid"]
    limit = time.monotonic() + SOON
    while uid in {each["metadata"]["uid"] for each in api.request("GET", kinds.NAMESPACE.path())["items"]}:
        assert time.monotonic() < limit
        time.sleep(0.2)
