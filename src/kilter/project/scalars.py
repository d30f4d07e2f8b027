"""What a plain (unquoted) YAML scalar stands for, where YAML 1.1 and 1.2 agree; a refusal where they do not."""

import math
import re

from kilter.project.faults import visible

MAX_DIGITS = 18

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_AMBIGUOUS = (
    (re.compile(r"(?i:y|yes|on)\Z"), "true"),
    (re.compile(r"(?i:n|no|off)\Z"), "false"),
    (re.compile(r"[-+]?0[0-9_]+\Z"), "an octal number"),
    (re.compile(r"[-+]?0o[0-7]+\Z"), "an octal number"),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]+\Z"), "a hexadecimal number"),
    (re.compile(r"[-+]?0b[01_]+\Z"), "a binary number"),
    (re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?\Z"), "a number to the base 60"),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?\Z"), "a number"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?\Z"), "a date"),
    (re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*\.)([eE][-+]?[0-9]+)?\Z"), "a number"),
    (re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+\Z"), "a number"),
    (re.compile(r"[-+]?\.(?i:inf)\Z|\.(?i:nan)\Z"), "a number"),
    (re.compile(r"=\Z"), "a default value"),
)


def scalar_value(written: str) -> tuple[str | int | float | bool | None, str]:
    """Return what a plain scalar stands for, and what is wrong with it ('' for nothing)."""
    if written in _WORDS:
        return _WORDS[written], ""
    if _INTEGER.match(written) or _DECIMAL.match(written):
        if len(written) > MAX_DIGITS:
            return 0, f"a number of {len(written)} characters is too long; write it in quotes if it is text"
        number = int(written) if _INTEGER.match(written) else float(written)
        if not math.isfinite(number):
            return 0, f"{visible(written)} is beyond all numbers; write it in quotes if it is text"
        return number, ""
    for pattern, reading in _AMBIGUOUS if len(written) <= 64 else ():
        if pattern.match(written):
            shown = visible(written)
            return written, f'{shown} is ambiguous (some read it as {reading}); write it in quotes: "{shown}"'
    return written, ""
