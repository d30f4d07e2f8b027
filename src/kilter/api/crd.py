"""The CustomResourceDefinition of KilterApp, made from the same types that programs read and write.

Kubernetes wants a structural schema: no references, no `anyOf` around types, every node with a type. What the schema
cannot say stands in rules that the API server itself evaluates (CEL).
"""

from typing import Any, Final

import yaml

from kilter.api import kilterapp
from kilter.api.base import NAME_PATTERN
from kilter.api.kilterapp_status import Status
from kilter.api.schema import components, portable_pattern

TEMPLATE: Final = "#/$defs/{name}"
DROPPED: Final = frozenset({"title", "propertyNames", "$ref"})
COLUMNS: Final = (
    ("Org", "string", ".spec.org", 0),
    ("App", "string", ".spec.app", 0),
    ("Env", "string", ".spec.env", 0),
    ("Class", "string", ".spec.class", 1),
    ("Phase", "string", ".status.phase", 0),
    ("Release", "integer", ".status.release.number", 0),
    ("URL", "string", ".status.url", 0),
    ("Reason", "string", ".status.failure.reason", 1),
    ("Deploy", "string", ".spec.deployId", 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)
SPEC_RULES: Final = (
    ("self.sequence >= oldSelf.sequence", "a lower sequence never overwrites a higher one"),
    (
        "!has(self.secrets) || size(self.secrets) > 0 || (has(self.pruneSecrets) && self.pruneSecrets)",
        "an empty map of secrets deletes them all and needs pruneSecrets",
    ),
)
# A leader that was paused and deposed meanwhile must not write, whatever it believes (F26).
STATUS_RULE: Final = (
    "!has(oldSelf.fence) || (has(self.fence) && self.fence >= oldSelf.fence)",
    "a later leader has written this status",
)
PROCESS_RULE: Final = (f"self.all(name, name.matches('{portable_pattern(NAME_PATTERN)}'))", "not a name")
KEYED_LISTS: Final = {"conditions": "type", "workloads": "name", "services": "name"}


def crd() -> dict[str, Any]:
    """Return the CRD as an object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kilterapp.PLURAL}.{kilterapp.GROUP}"},
        "spec": {
            "group": kilterapp.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kilterapp.KIND,
                "listKind": f"{kilterapp.KIND}List",
                "plural": kilterapp.PLURAL,
                "singular": kilterapp.KIND.lower(),
                "shortNames": ["kapp"],
                "categories": ["kilter"],
            },
            "versions": [version()],
        },
    }


def crd_yaml() -> str:
    """Return the CRD as YAML text."""
    return yaml.dump(crd(), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


class _Plain(yaml.SafeDumper):
    """Writes the same value twice instead of an alias, which not every reader of manifests follows."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never write an alias."""
        return True


def version() -> dict[str, Any]:
    """Return the one version that there is: served, stored, with status apart from spec."""
    return {
        "name": kilterapp.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root_schema()},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path} | ({"priority": priority} if priority else {})
            for name, kind, path, priority in COLUMNS
        ],
    }


def root_schema() -> dict[str, Any]:
    """Return the structural schema with its rules."""
    (spec, status), named = components([kilterapp.Spec, Status], TEMPLATE)
    wanted, seen = structural(spec, named), structural(status, named)
    for name in ("org", "app", "env"):
        wanted["properties"][name]["x-kubernetes-validations"] = [rule("self == oldSelf", f"{name} never changes")]
    wanted["properties"]["processes"]["x-kubernetes-validations"] = [rule(*PROCESS_RULE)]
    wanted["x-kubernetes-validations"] = [rule(*each) for each in SPEC_RULES]
    seen["x-kubernetes-validations"] = [rule(*STATUS_RULE)]
    return {
        "description": kilterapp.KilterApp.__doc__,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": wanted,
            "status": seen,
        },
    }


def rule(expression: str, message: str) -> dict[str, str]:
    """Return a rule that the API server evaluates on each write."""
    return {"rule": expression, "message": message}


def structural(node: dict[str, Any], named: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a schema without references and unions; an optional field is one that may be absent, never null."""
    node = resolved(node, named)
    made = {key: value for key, value in node.items() if key not in DROPPED}
    if made.get("default", True) in ({}, [], None, ""):
        del made["default"]
    if "enum" in made:
        made = {"type": "string"} | made
    if "properties" in made:
        made["properties"] = {name: structural(each, named) for name, each in made["properties"].items()}
        for name in made["properties"].keys() & KEYED_LISTS.keys():
            keys = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [KEYED_LISTS[name]]}
            made["properties"][name] |= keys
    elif made["type"] == "object" and isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = structural(made["additionalProperties"], named)
    elif made["type"] == "object":
        made["x-kubernetes-preserve-unknown-fields"] = True
    if "items" in made:
        made["items"] = structural(made["items"], named)
    if made.get("additionalProperties") is False:
        del made["additionalProperties"]
    if made.get("required") == []:
        del made["required"]
    return made


def resolved(node: dict[str, Any], named: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a reference, or a union with null, stands for; the description of the place wins."""
    own = {key: value for key, value in node.items() if key not in ("anyOf", "$ref")}
    for option in node.get("anyOf", ()):
        if option.get("type") != "null":
            return resolved(option, named) | own
    if "$ref" in node:
        return resolved(named[node["$ref"].rpartition("/")[2]], named) | own
    return own
