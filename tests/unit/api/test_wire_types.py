"""The wire types: every struct keeps the house's rules, and the CRD's rules hold for what is sent."""

import importlib
import pkgutil
from types import ModuleType
from typing import get_args

import msgspec
import pytest

import kilter.api
from kilter.api.base import Document, Report, Request, Section
from kilter.api.deploys import DeployRequest, Event
from kilter.api.errors_v1 import STATUS_OF
from kilter.api.kilterapp import KilterApp, Metadata, Spec, applied
from kilter.api.kilterapp_parts import Source, Timeouts
from kilter.api.schema import components

MODULES: list[ModuleType] = [
    importlib.import_module(f"kilter.api.{module.name}") for module in pkgutil.iter_modules(kilter.api.__path__)
]
STRUCTS = sorted(
    {
        found
        for module in MODULES
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, msgspec.Struct)
    },
    key=lambda struct: struct.__name__,
)
IMAGE = "registry.example.com/acme/shop@sha256:" + "a" * 64
DEPLOY = {"image": IMAGE, "app": {"port": 8080}}


def deploy(**changes: object) -> DeployRequest:
    return msgspec.convert(DEPLOY | changes, DeployRequest)


def test_every_struct_is_frozen_takes_keywords_only_and_says_what_it_is() -> None:
    assert len(STRUCTS) > 50
    for struct in STRUCTS:
        assert struct.__struct_config__.frozen, struct
        assert struct.__match_args__ == (), struct
        assert struct.__doc__, struct


def test_what_is_sent_forbids_unknown_fields_and_what_is_answered_ignores_them() -> None:
    for struct in STRUCTS:
        assert struct.__struct_config__.forbid_unknown_fields == issubclass(struct, Request | Section), struct
        assert issubclass(struct, Request | Section | Document | Report) or struct in (KilterApp, Metadata), struct


def test_secrets_have_three_states_on_the_wire() -> None:
    """SC-Q1: absent keeps, a map replaces, an explicit empty map deletes; null is none of them."""
    assert deploy().secrets is msgspec.UNSET
    assert deploy(secrets={}).secrets == {}
    with pytest.raises(msgspec.ValidationError):
        deploy(secrets=None)


@pytest.mark.parametrize(
    "image", ["shop:1.0", "shop", "shop@sha256:abc", "--privileged@sha256:" + "a" * 64, "a b@sha256:" + "a" * 64]
)
def test_an_image_is_accepted_by_digest_only(image: str) -> None:
    """DP-Q23, Y10."""
    with pytest.raises(msgspec.ValidationError, match="image"):
        deploy(image=image)


@pytest.mark.parametrize("name", ["Shop", "shop_a", "-shop", "shop-", "a--b", "", "1shop", "shop\n", "s" * 41, "ѕhop"])
def test_names_outside_the_grammar_are_refused(name: str) -> None:
    """DP-Q37."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(spec(app=name), Spec)


@pytest.mark.parametrize("name", ["s", "shop", "pr-247", "a-b-c1", "s" * 40])
def test_names_of_the_grammar_are_accepted(name: str) -> None:
    """DP-Q37, DP-23."""
    assert msgspec.convert(spec(app=name), Spec).app == name


@pytest.mark.parametrize("text", ["", "m", "10", "-5m", "5m ", "1.5h", "10d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="timeout"):
        deploy(timeout=text)


def spec(**changes: object) -> dict[str, object]:
    fixed = {"org": "acme", "app": "shop", "env": "prod", "deployId": "d1", "sequence": 1, "actor": "ann"}
    return {**fixed, "image": IMAGE, "port": 8080, **changes}


def test_a_kilterapp_comes_back_as_it_was_written() -> None:
    app = KilterApp(metadata=Metadata(name="acme-shop-prod"), spec=msgspec.convert(spec(secrets={"s": "x"}), Spec))
    assert msgspec.json.decode(msgspec.json.encode(app), type=KilterApp) == app


def test_an_absent_map_of_secrets_is_not_written() -> None:
    """SC-15: absent must not turn into null or into an empty map on its way to the cluster."""
    assert b"secrets" not in msgspec.json.encode(msgspec.convert(spec(), Spec))
    assert b'"secrets":{}' in msgspec.json.encode(msgspec.convert(spec(secrets={}), Spec))


def test_a_status_of_a_newer_operator_is_read() -> None:
    document = {
        "apiVersion": "kilter.dev/v1alpha1",
        "kind": "KilterApp",
        "metadata": {"name": "x", "managedFields": []},
        "spec": spec(),
        "status": {"phase": "Ready", "invented": 1},
    }
    assert msgspec.convert(document, KilterApp).status.phase == "Ready"


def test_events_carry_their_name() -> None:
    for event in get_args(Event):
        name = event.__struct_config__.tag
        assert name == event.__name__.removesuffix("Event").lower()
    assert (
        msgspec.json.decode(b'{"type": "superseded", "at": "2026-01-01T00:00:00Z", "by": "d2"}', type=Event).by == "d2"
    )


def test_every_error_code_has_a_status_that_is_an_error() -> None:
    assert all(400 <= status < 600 for status in STATUS_OF.values())


def patterns(schema: object) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
        return own + [found for value in schema.values() for found in patterns(value)]
    return [found for value in schema for found in patterns(value)] if isinstance(schema, list) else []


def test_no_pattern_lets_a_final_newline_pass() -> None:
    """C1, S24: Python's `$` would. Schemas for others have the `$` that they understand."""
    written = [pattern for struct in STRUCTS for pattern in patterns(msgspec.json.schema(struct))]
    assert len(written) > 20
    assert {pattern for pattern in written if not pattern.endswith(r"\Z")} == set()
    assert all(pattern.endswith("$") for pattern in patterns(components([KilterApp], "#/{name}")[1]))


@pytest.mark.requirement("DP-14")
def test_a_spec_is_applied_without_the_parts_that_say_nothing() -> None:
    """An empty part in place of one that said something becomes null in the API server, which it then refuses."""
    fixed = {"org": "acme", "app": "shop", "env": "dev", "deployId": "dep-1", "sequence": 1, "actor": "ann"}
    said = {**fixed, "image": IMAGE, "port": 8080, "secrets": {}}
    spec = msgspec.convert(said, Spec)
    silent = msgspec.structs.replace(spec, timeouts=Timeouts(ready=None), source=Source(commit=""))
    assert applied(silent) == said
    spoken = msgspec.structs.replace(spec, timeouts=Timeouts(ready="30m"))
    assert applied(spoken)["timeouts"] == {"ready": "30m"}
