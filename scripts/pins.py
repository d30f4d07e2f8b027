"""Prints the checksums of kilter's tools as their publishers' own records have them, for `sha256` in versions.py.

Ends with 1 where a pin differs from that record, or where the record cannot be had; a mirror is never asked.
"""

import sys
from collections.abc import Iterator, Mapping

from kilter.errors import KilterError
from kilter.tools.download import unreachable
from kilter.tools.provision import origin, published
from kilter.tools.versions import TOOLS, Tool


def rows(tools: Mapping[str, Tool], environment: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Yield a line per tool and platform, and whether it is as it should be."""
    for tool in tools.values():
        for platform in tool.files:
            name = f"{tool.name} {tool.version} {'/'.join(platform)}"
            try:
                found = published(origin(tool, platform, environment))
            except (OSError, KilterError) as error:
                yield f"{name}: {unreachable(error)}", False
                continue
            pinned = tool.sha256.get(platform)
            says = "not pinned yet" if pinned is None else "as pinned" if pinned == found else f"BUT PINNED IS {pinned}"
            yield f"{name}: {found} ({says})", pinned in (None, found)


if __name__ == "__main__":
    fine = True
    for line, good in rows(TOOLS, {}):
        print(line, flush=True)
        fine = fine and good
    sys.exit(0 if fine else 1)
