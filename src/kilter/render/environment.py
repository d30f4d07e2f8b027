"""The variables of one workload: what kilter gives, what the user writes over it, what the user withholds."""

from collections.abc import Mapping

from kilter.values import Value


class Environment(Value, frozen=True):
    """Literal variables, and those that name services; the two never share a name."""

    literal: dict[str, str]
    injected: dict[str, str]

    hidden = ("injected",)


def environment(injected: Mapping[str, str], under: Mapping[str, str], given: Mapping[str, str | None]) -> Environment:
    """Lay the user's variables over kilter's; null withholds one, and so does any literal of the same name."""
    literal = {key: value for key, value in sorted({**under, **given}.items()) if value is not None}
    return Environment(literal, {key: value for key, value in sorted(injected.items()) if key not in given})
