"""As unit, but starts processes of this machine or speaks over its loopback; no container."""

from unit.conftest import unwritten_disk

__all__ = ["unwritten_disk"]
