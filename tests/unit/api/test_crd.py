"""The CRD: structural as Kubernetes demands, complete, and in agreement with the types."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import yaml

from kilter.api import words
from kilter.api.crd import crd, crd_yaml
from kilter.api.kilterapp import Spec
from kilter.api.kilterapp_status import Status

VERSION = crd()["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]
SPEC, STATUS = ROOT["properties"]["spec"], ROOT["properties"]["status"]
# platform.md section 13, word for word.
SPEC_FIELDS = {
    *("org", "app", "env", "class", "deployId", "sequence", "actor", "image", "source", "port", "public", "vars"),
    *("services", "processes", "secrets", "pruneSecrets", "appSecrets", "migration", "seeds", "bootstrap", "timeouts"),
    *("profile", "patches", "rollbackTo", "pinned", "suspended"),
}
STATUS_FIELDS = {
    *("observedGeneration", "phase", "conditions", "namespace", "url", "internalUrl", "database", "provisionedAt"),
    *("deadlineAt", "release", "lastGoodRelease", "migration", "seeds", "git", "flux", "workloads", "lock", "failure"),
}
ALLOWED = {
    *("type", "description", "properties", "additionalProperties", "items", "required", "enum", "default", "pattern"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties", "format"),
    *("x-kubernetes-validations", "x-kubernetes-preserve-unknown-fields"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
}


def nodes(node: dict[str, Any], path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from nodes(node[key], f"{path}.{key}")


def test_every_node_of_the_schema_is_structural() -> None:
    for path, node in nodes(ROOT):
        assert node.keys() <= ALLOWED, path
        assert node["type"] in {"object", "array", "string", "integer", "boolean"}, path
        assert not ("properties" in node and "additionalProperties" in node), path


def test_every_field_is_explained() -> None:
    unexplained = [
        path
        for path, node in nodes(ROOT)
        if "description" not in node and not path.endswith((".items", ".additionalProperties"))
    ]
    assert unexplained == ["$.apiVersion", "$.kind", "$.metadata"]


def test_spec_and_status_have_every_field_of_the_specification() -> None:
    assert SPEC_FIELDS - set(SPEC["properties"]) == set()
    assert STATUS_FIELDS - set(STATUS["properties"]) == set()


def test_the_schema_and_the_types_have_the_same_fields() -> None:
    assert set(SPEC["properties"]) == set(Spec.__struct_encode_fields__)
    assert set(STATUS["properties"]) == set(Status.__struct_encode_fields__)


def test_phases_are_the_same_words_everywhere() -> None:
    """DP-21."""
    assert set(STATUS["properties"]["phase"]["enum"]) == set(get_args(words.Phase))


def test_identity_is_immutable_and_a_sequence_never_falls() -> None:
    """DP-Q66, section 13: the API server itself refuses, whoever writes."""
    for name in ("org", "app", "env"):
        assert SPEC["properties"][name]["x-kubernetes-validations"][0]["rule"] == "self == oldSelf"
        assert name in SPEC["required"]
    rules = [each["rule"] for each in SPEC["x-kubernetes-validations"]]
    assert "self.sequence >= oldSelf.sequence" in rules


def test_no_field_of_the_spec_names_a_namespace_a_role_or_a_host() -> None:
    """O1, B5: what does not exist cannot point into another tenant's house."""
    names = {path.rpartition(".")[2].lower() for path, _ in nodes(SPEC)}
    assert not {name for name in names if "namespace" in name or "role" in name or "host" in name}


def test_status_is_a_subresource_and_the_names_are_those_of_the_specification() -> None:
    assert VERSION["subresources"] == {"status": {}}
    names = crd()["spec"]["names"]
    assert (names["kind"], names["plural"], names["shortNames"]) == ("KilterApp", "kilterapps", ["kapp"])
    assert crd()["spec"]["scope"] == "Namespaced"


def test_printer_columns_lead_to_fields_that_exist() -> None:
    for column in VERSION["additionalPrinterColumns"]:
        node: dict[str, Any] = ROOT
        if column["jsonPath"].startswith(".metadata"):
            continue
        for word in column["jsonPath"].strip(".").split("."):
            node = node["properties"][word]
        assert node["type"] == column["type"]


def test_defaults_of_the_schema_are_those_of_the_types() -> None:
    """What msgspec leaves out when it writes (omit_defaults) must come back as the same value."""
    for struct, schema in ((Spec, SPEC), (Status, STATUS)):
        for field in msgspec.structs.fields(struct):
            default = schema["properties"][field.encode_name].get("default")
            assert default is None or default == field.default


def test_the_text_needs_no_aliases_and_reads_back_as_the_object() -> None:
    assert yaml.safe_load(crd_yaml()) == crd()
    assert "&id" not in crd_yaml()
