"""How the errors of a writer are built from what happened."""

import re

from kilter.errors import KilterError
from kilter.gitops.layout import LEADER
from kilter.gitops.model import Deposed, Fence, Unpublished
from kilter.gitops.remote import Remote
from kilter.tools.git import plain

# What git says of a branch that another push is just writing to; a push that was cut off may leave it so for ever.
CONTENTION = ("failed to update ref", "cannot lock ref")

# Each try has a clone of its own; with its name, every try would have a reason of its own, and be told of anew.
_CLONE = re.compile(r"/clone-\w+")


def is_contention(refusal: str) -> bool:
    """Tell whether a push was refused for another one's sake, so that the same one may be taken a moment later."""
    return any(words in refusal for words in CONTENTION)


def not_taken(refusal: str) -> Unpublished:
    """Build the error of a repository that answers, and refuses every commit that it is offered."""
    if is_contention(refusal):
        return Unpublished(
            "the repository does not take the commit: its branch stays locked, as if another push were under way",
            why=refusal,
            hint="look at who else writes to it; where nobody does, a push that was cut off has left a file `.lock` "
            "beside the branch in the repository, which has to be removed; nothing was changed",
        )
    return Unpublished(
        "the repository does not take the commit",
        why=refusal,
        hint="look at its rules for the branch and at who else writes to it; nothing was changed",
    )


def deposed(own: Fence, found: Fence | None) -> Deposed:
    """Build the error of a leader that another one has followed."""
    by = f"leader {found.number} ({plain(found.holder)})" if found else "nobody that can be read"
    return Deposed(
        f"leader {own.number} ({own.holder}) may not write any more",
        why=f"{LEADER} names {by}",
        hint="the operator that leads now goes on; this one starts anew",
    )


def foreign(remote: Remote) -> Unpublished:
    """Build the error of a branch that is not the one in which what runs was published."""
    return Unpublished(
        f"{remote.branch} is not the branch that apps were published to: it holds nothing of kilter's",
        why="Flux would remove every app, because the branch has none of them",
        hint="bring the old repository here with `git push --mirror`, or see how to begin anew in the page "
        "install-the-platform.md, section Git from elsewhere",
    )


def unpublished(error: Exception) -> Unpublished:
    """Build the error of a repository that is out of reach, or broken."""
    hint = "what runs goes on; look at the repository's server and the credential"
    known = error if isinstance(error, KilterError) else KilterError(f"{type(error).__name__}: {error}")
    return Unpublished(
        "the repository cannot be reached, or not be used",
        why=_CLONE.sub("", f"{known.what}{f': {known.why}' if known.why else ''}"),
        hint=known.hint or hint,
        details=tuple(_CLONE.sub("", line) for line in known.details),
    )
