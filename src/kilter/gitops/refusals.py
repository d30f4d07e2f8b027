"""How the errors of a writer are built from what happened."""

import re
from collections.abc import Sequence

from kilter.errors import KilterError
from kilter.gitops.layout import LEADER
from kilter.gitops.model import Deposed, Fence, Unpublished
from kilter.gitops.remote import Remote
from kilter.tools.git import plain

# What git says of a branch that another push is just writing to; a push that was cut off may leave it so for ever.
CONTENTION = ("failed to update ref", "cannot lock ref")

# Each try has a clone of its own; with its name, every try would have a reason of its own, and be told of anew.
_CLONE = re.compile(r"/clone-\w+")

# Of a login that was refused git says that it could not ask for another one; over SSH, that permission was denied.
_UNKNOWN = ("could not read Username", "could not read Password", "Authentication failed", "Permission denied (")
_FORBIDDEN = "returned error: 403"


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
    said = " ".join(known.details)
    if _FORBIDDEN in said or any(words in said for words in _UNKNOWN):
        return _refused_login(known.details, is_known=_FORBIDDEN in said)
    return Unpublished(
        "the repository cannot be reached, or not be used",
        why=_CLONE.sub("", f"{known.what}{f': {known.why}' if known.why else ''}"),
        hint=known.hint or hint,
        details=tuple(_CLONE.sub("", line) for line in known.details),
    )


def _refused_login(details: Sequence[str], *, is_known: bool) -> Unpublished:
    """Build the error of a login that the repository's server does not take, with what that server says itself."""
    return Unpublished(
        "the repository's server refuses the login",
        why="it is known, and not allowed to do that" if is_known else "it is not known there with that password",
        hint="what runs goes on; give kilter a login that may read and write the branch: by the Secret that the value "
        "git.secretName names, see the page install-the-platform.md, section Git from elsewhere",
        details=tuple(line for line in details if line.startswith("remote:")),
    )
