"""The token server of the registry: who gets a token, for which repositories, and what is written in it."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from unit.server.orders import MINUTE, NOON
from unit.server.web import DEPLOY, KEY, SETTINGS, Reply, Web, Webs

from kilter.errors import BadInput
from kilter.server import clock
from kilter.server.distribution import DistributionRegistry
from kilter.server.seams import Access, Pushing
from kilter.server.store.engine import Tx
from kilter.signing import jwt, keys, pulls
from kilter.signing.keys import base64url

PUSH = "/v1/projects/acme/shop/push-credentials"


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def ask(web: Web, password: str, *scopes: str, service: str = "registry.example.com") -> Reply:
    query = "&".join(f"scope={each}" for each in scopes)
    url = f"/v1/registry/token?service={service}&account=kilter&client_id=docker&{query}"
    return web.get(url, headers=basic("kilter", password))


def access_of(reply: Reply) -> dict[str, list[str]]:
    assert reply.status == 200, reply.text
    claims = jwt.decode(KEY, reply.json["token"])
    assert claims is not None
    return {entry["name"]: entry["actions"] for entry in claims["access"]}


def credential(web: Web, token: str, env: str = "dev") -> Any:
    reply = web.post(PUSH, token, {"env": env})
    assert reply.status == 201, reply.text
    return reply.json


def test_a_push_credential_opens_one_repository_for_ten_minutes(web: Web) -> None:
    """DP-Q6."""
    given = credential(web, web.token("deployer"))
    assert given["registry"] == "registry.example.com"
    assert given["repository"] == "registry.example.com/acme/shop"
    assert given["expires_at"] == "2026-06-01T12:10:00Z"
    wanted = ("repository:acme/shop:pull,push", "repository:acme/blog:pull", "registry:catalog:*")
    assert access_of(ask(web, given["password"], *wanted)) == {"acme/shop": ["pull", "push"]}
    web.now = NOON + 10 * MINUTE
    assert ask(web, given["password"], *wanted).status == 401


def test_images_of_a_project_are_kept_from_the_push_until_the_deploy_of_it(web: Web) -> None:
    token = web.token("deployer")
    given = credential(web, token)
    assert access_of(ask(web, given["password"], "repository:acme/shop:pull")) == {"acme/shop": ["pull"]}
    assert web.runner.run(web.store.run(spared)) == [], "nothing is pushed yet"
    assert access_of(ask(web, given["password"], "repository:acme/shop:push")) == {"acme/shop": ["push"]}
    assert web.runner.run(web.store.run(spared)) == [("acme", "shop", given["push_id"])]
    assert web.run(lambda tx: tx.row("SELECT spared_until FROM spared")) == {"spared_until": NOON + 10 * MINUTE}
    image = f"{given['repository']}@sha256:{'a' * 64}"
    for push_id, left in (("psh-of-another", 1), (given["push_id"], 0)):
        body = {"image": image, "push_id": push_id, "app": {"port": 8080}}
        assert web.post("/v1/projects/acme/shop/envs/dev/deploys", token, body).status == 202
        assert len(web.runner.run(web.store.run(spared))) == left


def spared(tx: Tx) -> list[tuple[str, ...]]:
    return [(row["org"], row["app"], row["push_id"]) for row in tx.rows("SELECT * FROM spared")]


def test_a_push_credential_reaches_below_its_repository_and_not_beside_it(web: Web) -> None:
    password = credential(web, web.token("deployer"))["password"]
    beside = ("acme/shopping", "x/acme/shop", "x/acme/shop/cache", "acme")
    wanted = ("repository:acme/shop/cache:push,pull", *(f"repository:{name}:push" for name in beside))
    assert access_of(ask(web, password, *wanted)) == {"acme/shop/cache": ["pull", "push"]}


def test_a_push_credential_dies_with_its_token(web: Web) -> None:
    """S2."""
    token = web.token("deployer")
    password = credential(web, token)["password"]
    web("DELETE", "/v1/whoami", token)
    assert ask(web, password, "repository:acme/shop:pull").status == 401


def test_a_push_credential_for_a_protected_environment_needs_the_maintainer(web: Web) -> None:
    """DP-Q28, S7."""
    assert web.post(PUSH, web.token("deployer"), {"env": "prod"}).status == 403
    assert web.post(PUSH, web.token("maintainer"), {"env": "prod"}).status == 201
    assert web.post(PUSH, web.token("deployer", "acme/*", "pr-*"), {"env": "dev"}).status == 403
    for env in ("Dev", "pr--1", "-", "", "e" * 33):
        reply = web.post(PUSH, web.token("deployer"), {"env": env})
        assert (reply.status, reply.json["error"]["field"]) == (422, "env"), env


def test_a_push_credential_for_what_the_project_protects_needs_the_maintainer_too(web: Web) -> None:
    """DP-Q27, DP-Q28."""
    body = {**DEPLOY, "protected": True}
    assert web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("maintainer"), body).status == 202
    assert web.post(PUSH, web.token("deployer"), {"env": "dev"}).code == "forbidden"
    assert web.post(PUSH, web.token("maintainer"), {"env": "dev"}).status == 201


def test_another_registry_is_refused(web: Web) -> None:
    token = web.token("deployer")
    reply = web.post(PUSH, token, {"env": "dev", "registry": "docker.io/acme"})
    assert (reply.status, reply.code, reply.json["error"]["field"]) == (422, "registry_not_allowed", "registry")
    assert web.post(PUSH, token, {"env": "dev", "registry": "registry.example.com"}).status == 201


@pytest.mark.parametrize(
    ("role", "actions"), [("viewer", ["pull"]), ("deployer", ["pull", "push"]), ("admin", ["pull", "push"])]
)
def test_a_token_of_kilter_is_a_password_of_the_registry(web: Web, role: Any, actions: list[str]) -> None:
    """What a cluster pulls with: a viewer's token."""
    token = web.token(role, "acme/*")
    strange = [f"repository:{each}" for each in ("globex/shop:pull", "acme:pull", "a_b/c:pull", "acme/x:pull:x")]
    wanted = ("repository:acme/shop:pull,push", "repository:acme/shop/cache:push,pull", *strange)
    assert access_of(ask(web, token, *wanted)) == {"acme/shop": actions, "acme/shop/cache": actions}


def test_several_scopes_may_stand_in_one_parameter(web: Web) -> None:
    token = web.token("viewer", "acme/*")
    found = access_of(ask(web, token, "repository:acme/shop:pull%20repository(plugin):acme/blog:pull,delete"))
    assert found == {"acme/shop": ["pull"], "acme/blog": ["pull"]}


def test_a_password_counts_where_it_comes_as_one(web: Web) -> None:
    token, url = web.token("viewer"), "/v1/registry/token?service=registry.example.com"
    for scheme, status in (("Basic", 200), ("basic", 200), ("Bearer", 401)):
        headers = {"authorization": basic("kilter", token)["authorization"].replace("Basic", scheme)}
        assert web.get(url, headers=headers).status == status, scheme


def test_a_revoked_token_is_no_password(web: Web) -> None:
    """S2."""
    token = web.token("viewer")
    web("DELETE", "/v1/whoami", token)
    assert ask(web, token, "repository:acme/shop:pull").status == 401


def test_a_repository_that_is_no_projects_is_nobodys(web: Web) -> None:
    wanted = ("repository:a_b/shop:pull,push", "repository:acme/a_b:pull,push", "repository:acme:push")
    assert access_of(ask(web, web.token("admin", "*/*"), *wanted)) == {}


def test_asking_for_nothing_proves_a_login(web: Web) -> None:
    """`docker login` asks without a scope."""
    assert access_of(ask(web, web.token("viewer"))) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("kilter", "wrong"),
        {"authorization": "Basic !"},
        {"authorization": "Basic é"},
        {"authorization": "Bearer x"},
    ],
)
def test_who_is_nobody_gets_nothing(web: Web, headers: dict[str, str]) -> None:
    reply = web.get("/v1/registry/token?service=registry.example.com", headers=headers)
    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Basic realm="kilter"')


def test_another_service_is_refused(web: Web) -> None:
    reply = ask(web, web.token("viewer"), service="other.example.com")
    assert (reply.status, reply.json["error"]["field"]) == (422, "service")
    assert ask(web, web.token("viewer"), service="").status == 200


def test_the_registrys_own_tokens_are_no_push_credentials_and_the_other_way_round(web: Web) -> None:
    given = ask(web, web.token("deployer"), "repository:acme/shop:push").json["token"]
    assert ask(web, given, "repository:acme/shop:push").status == 401
    claims = jwt.decode(KEY, credential(web, web.token("deployer"))["password"])
    assert claims is not None
    assert claims["aud"] != "registry.example.com"


def test_the_token_says_what_the_registry_checks() -> None:
    """https://distribution.github.io/distribution/spec/auth/jwt/"""
    registry = DistributionRegistry(SETTINGS, KEY)
    text, seconds = registry.token("ann", (Access("acme/shop", ("pull",)),), clock.to_datetime(NOON))
    claims, now = jwt.decode(KEY, text), NOON // clock.SECOND
    assert claims is not None
    assert (claims["iss"], claims["aud"], claims["sub"]) == (
        "https://kilter.apps.example.com",
        "registry.example.com",
        "ann",
    )
    assert (claims["nbf"] <= now, claims["iat"], claims["exp"]) == (True, now, now + seconds)
    assert claims["access"] == [{"type": "repository", "name": "acme/shop", "actions": ["pull"]}]
    header = json.loads(jwt.unpadded(text.split(".")[0]))
    assert header == {"typ": "JWT", "alg": "ES256", "kid": KEY.jwk["kid"]}
    assert seconds >= 60


def test_a_scope_of_the_registry_stands_before_every_project(webs: Webs) -> None:
    """DP-7: `--registry <host>/<scope>`."""
    from dataclasses import replace

    web = webs(replace(SETTINGS, registry="registry.example.com:5000/team"))
    token = web.token("deployer")
    given = credential(web, token)
    assert given["registry"] == "registry.example.com:5000"
    assert given["repository"] == "registry.example.com:5000/team/acme/shop"
    wanted = ("repository:team/acme/shop:pull", "repository:acme/shop:pull", "repository:teamx/acme/shop:pull")
    beside = ("repository:acme/team/shop:pull", "repository:x/team/acme/shop:pull")
    assert access_of(ask(web, token, *wanted, *beside, service="registry.example.com:5000")) == {
        "team/acme/shop": ["pull"]
    }
    digest = DEPLOY["image"].partition("@")[2]
    url = "/v1/projects/acme/shop/envs/dev/deploys"
    assert web.post(url, token, {**DEPLOY, "image": f"{given['repository']}@{digest}"}).status == 202
    assert web.post(url, token, {**DEPLOY, "image": f"registry.example.com:5000/acme/shop@{digest}"}).status == 422


def test_an_environment_pulls_its_apps_images_and_no_others_and_never_pushes(web: Web) -> None:
    """DP-Q6."""
    password = pulls.password(KEY, SETTINGS.url, "acme/shop")
    wanted = ("repository:acme/shop:pull,push", "repository:acme/shopping:pull", "repository:acme/blog:pull")
    assert access_of(ask(web, password, *wanted)) == {"acme/shop": ["pull"]}
    assert ask(web, pulls.password(KEY, "https://other.example.com", "acme/shop"), *wanted).status == 401
    assert ask(web, pulls.password(keys.read(keys.generate()), SETTINGS.url, "acme/shop"), *wanted).status == 401


def test_a_platform_without_a_registry_says_unavailable(web: Web) -> None:
    object.__setattr__(web.services, "registry", None)
    assert web.post(PUSH, web.token("deployer"), {"env": "dev"}).status == 503
    assert ask(web, web.token("deployer")).status == 503


PUSHING = Pushing("psh-1", "ann", "tok", "acme/shop")


@pytest.mark.parametrize("make", [keys.generate, lambda: pem(rsa.generate_private_key(65537, 2048))], ids=["ec", "rsa"])
def test_both_kinds_of_keys_sign_what_they_verify(make: Any) -> None:
    key = keys.read(make())
    registry = DistributionRegistry(SETTINGS, key)
    password = registry.push_credential(PUSHING, clock.to_datetime(NOON + MINUTE))
    assert registry.read_push_credential(password, clock.to_datetime(NOON)) == PUSHING
    assert set(key.jwk) >= {"kty", "kid", "alg", "use"}
    assert "d" not in key.jwk


def test_the_thumbprint_is_the_one_of_rfc_7638() -> None:
    """The example of section 3.1 of the RFC."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n"
        "91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    numbers = rsa.RSAPublicNumbers(65537, int.from_bytes(jwt.unpadded(n), "big"))

    class Public:
        key_size = 2048

        def public_key(self) -> Any:
            return numbers.public_key()

    assert keys.Key(Public()).jwk["kid"] == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"  # type: ignore[arg-type]


def lengthened(text: str) -> str:
    """Write the signature's second number with a zero before it."""
    content, _, signature = text.rpartition(".")
    raw = jwt.unpadded(signature)
    return f"{content}.{base64url(raw[: keys.SIZE] + bytes(1) + raw[keys.SIZE :])}"


@pytest.mark.parametrize(
    "damage",
    [
        lengthened,
        lambda text: text[:-2],
        lambda text: text + "A",
        lambda text: ".".join([text.split(".")[0], base64url(b'{"aud":"kilter-push"}'), text.split(".")[2]]),
        lambda text: ".".join([base64url(b'{"alg":"none"}'), text.split(".")[1], ""]),
        lambda text: ".".join([base64url(b'{"alg":"HS256"}'), *text.split(".")[1:]]),
        lambda text: ".".join([base64url(b"[" * 5000), *text.split(".")[1:]]),
        lambda _: "",
        lambda _: "..",
        lambda _: "a.b.c",
        lambda _: "é.é.é",
    ],
)
def test_a_damaged_credential_is_none(damage: Any) -> None:
    """No algorithm but the key's own, and no claim that was not signed."""
    registry = DistributionRegistry(SETTINGS, KEY)
    password = registry.push_credential(PUSHING, clock.to_datetime(NOON + MINUTE))
    assert registry.read_push_credential(damage(password), clock.to_datetime(NOON)) is None


def test_a_credential_of_another_key_or_server_is_none() -> None:
    from dataclasses import replace

    ours = DistributionRegistry(SETTINGS, KEY)
    until, now = clock.to_datetime(NOON + MINUTE), clock.to_datetime(NOON)
    for theirs in (
        DistributionRegistry(SETTINGS, keys.read(keys.generate())),
        DistributionRegistry(replace(SETTINGS, public_url="https://other.example.com"), KEY),
    ):
        assert ours.read_push_credential(theirs.push_credential(PUSHING, until), now) is None


def pem(private: Any) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return str(private.private_bytes(encoding, form, serialization.NoEncryption()).decode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - which is what is refused
    ],
)
def test_a_key_that_cannot_sign_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        keys.read(text)
    assert "canary" not in repr(caught.value) + caught.value.why
