"""The base of kilter's values, and the one value that several parts of kilter pass on: a project's credentials."""

from typing import ClassVar

import msgspec


class Value(msgspec.Struct, frozen=True):
    """A group of named values that never change; a field named in `hidden` is left out of `repr`.

    Not a dataclass: half a millisecond of every start goes into making each frozen one of those.
    """

    hidden: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        shown = [name for name in self.__struct_fields__ if name not in self.hidden]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class Credentials(Value, frozen=True):
    """What a client of a project's services needs to be let in; the password is plain text and never printed."""

    user: str
    password: str
    database: str

    hidden = ("password",)
