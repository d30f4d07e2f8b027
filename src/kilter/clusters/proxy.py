"""What a node asks without the user's proxy, which cannot reach the containers that kilter runs beside it.

kind gives each node the proxy of the environment, else that of Docker's settings, and excepts only what itself knows.
"""

from collections.abc import Mapping

import msgspec

from kilter.clusters import engine, registry
from kilter.proc import Runner
from kilter.values import Value

PROXIES, EXCEPTED = ("HTTP_PROXY", "HTTPS_PROXY"), "NO_PROXY"


class Proxy(Value, frozen=True, rename="camel"):
    """One entry of `proxies` in Docker's `config.json`."""

    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""


class Settings(Value, frozen=True):
    """What Docker's `config.json` says of proxies: by the address of an engine, and for all others as `default`."""

    proxies: Mapping[str, Proxy] = {}


def bypass(runner: Runner, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which kind excepts kilter's registry and caches too; none where there is no proxy."""
    excepted = _given(environment, EXCEPTED)
    if not any(_given(environment, name) for name in PROXIES):
        proxy = _of_docker(runner, environment)
        if not (proxy.http_proxy or proxy.https_proxy):
            return {}
        excepted = excepted or proxy.no_proxy
    if excepted.strip() == "*":
        return {}
    names = [service.name for service in registry.services({})]
    return dict.fromkeys((EXCEPTED, EXCEPTED.lower()), ",".join(filter(None, [excepted, *names])))


def _given(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower(), "")


def _of_docker(runner: Runner, environment: Mapping[str, str]) -> Proxy:
    file = engine.config_folder(environment) / "config.json"
    try:
        proxies = msgspec.json.decode(file.read_bytes(), type=Settings).proxies
    except (OSError, msgspec.MsgspecError):
        return Proxy()
    others = proxies.keys() - {"default"}
    address = engine.address_of(runner, environment) if others else ""
    return proxies.get(address) or proxies.get("default") or Proxy()
