"""Why a node has not got an image: the registry refused it, or did not answer and will be asked again. Pure."""

import re
from typing import Final

PULLING: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})  # the reasons of a container that waits for its image
# No registry says these of an image that it would give a moment later.
_REFUSED: Final = re.compile(
    r"not found|manifest unknown|does not exist|denied|unauthorized|forbidden|no match for platform|invalid reference",
    re.IGNORECASE,
)
# Names and addresses: an app may be called `denied`.
_PLACES: Final = re.compile(r"\S*/\S*")


def is_refused(message: str) -> bool:
    """Tell whether a node's words about a failed pull say that asking again will not help."""
    return _REFUSED.search(_PLACES.sub("", message)) is not None
