"""What every part of the model of `kilter.yaml` is made of: the section, numbers with their bounds, resources."""

from typing import Annotated

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65535)]
PortOrNone = Annotated[int, Meta(ge=0, le=65535)]
NodePort = Annotated[int, Meta(ge=30000, le=32767)]
Percent = Annotated[int, Meta(ge=1, le=100)]
Words = Annotated[tuple[str, ...], Meta(min_length=1)]
Variables = dict[str, str | None]

COMMAND = "Argument vector, a list of words; no shell reads it."
ENV = "Environment variables; values are text, taken literally; null withholds a variable that kilter would set."


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A map of `kilter.yaml`. Keys are camelCase there and snake_case here; unknown keys are faults.

    `kw_only` is not inherited by subclasses, so each of them says it again; the rest is.
    """


class Resources(Section, frozen=True, kw_only=True):
    """An amount of processor and memory."""

    cpu: Annotated[str | None, Meta(description="Processor limit as a Kubernetes quantity: 500m, '2'.")] = None
    memory: Annotated[str | None, Meta(description="Memory limit as a Kubernetes quantity: 256Mi, 1Gi.")] = None
