"""What all wire types are made of: the two kinds of struct, names, images, durations."""

from typing import Annotated

import msgspec
from msgspec import Meta

# Patterns end with \Z, because Python's `$` lets a final newline pass; schemas get the `$` that others mean by it.
# RE2 (which Kubernetes uses) has no look-ahead, so "no `--`" is built into the shape of the pattern (DP-Q37).
NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*\Z"
PROJECT_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*/[a-z][a-z0-9]*(-[a-z0-9]+)*\Z"
DIGEST_PATTERN = r"^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?@sha256:[a-f0-9]{64}\Z"
BUILD_PLATFORM_PATTERN = r"^(linux/[a-z0-9]+(/[a-z0-9]+)?)?\Z"
DURATION_PATTERN = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?\Z"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*\Z"

Org = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=40, description="Organisation that owns the project.")]
AppName = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=40, description="Project; the label of its host name.")]
EnvName = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=32, description="Environment (deployment slot).")]
Name = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=63)]
ObjectName = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z", max_length=253)]
Image = Annotated[str, Meta(pattern=DIGEST_PATTERN, max_length=512)]
BuildPlatform = Annotated[
    str,
    Meta(
        pattern=BUILD_PLATFORM_PATTERN,
        max_length=63,
        description="What the image is for, e.g. `linux/arm64`; its pods run on such nodes alone. Empty: on any.",
    ),
]
Duration = Annotated[str, Meta(pattern=DURATION_PATTERN, min_length=2, max_length=16)]
Words = Annotated[tuple[Annotated[str, Meta(max_length=4096)], ...], Meta(min_length=1, max_length=64)]
VariableName = Annotated[str, Meta(pattern=VARIABLE_PATTERN, max_length=253)]
Variables = dict[VariableName, Annotated[str, Meta(max_length=65536)]]
VariableNames = tuple[VariableName, ...]
Port = Annotated[int, Meta(ge=1, le=65535)]
PortOrNone = Annotated[int, Meta(ge=0, le=65535)]
Number = Annotated[int, Meta(ge=1)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends. Unknown fields are refused, so that nobody believes in a setting that does nothing.

    `kw_only` is not inherited by subclasses, so each of them says it again; the rest is.
    """


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answers. Every field is always written; a reader ignores fields that a newer server added."""


class Section(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """A part of KilterApp's spec: camelCase, unknown fields refused, defaults left to the CRD."""


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of KilterApp's status; a reader ignores what a newer operator added."""
