"""Coming back to a deploy, or to the end of an environment, that the platform has accepted."""

import time
from functools import partial

from kilter.api.deploys import Deploy
from kilter.deploy.client import Client
from kilter.deploy.deploy import Deployed, timed
from kilter.deploy.follow import answers, detachable, follow
from kilter.deploy.names import ProjectName
from kilter.deploy.queries import deploy, replaced
from kilter.progress import Progress


def attach(client: Client, progress: Progress, deploy_id: str, timeout: float) -> Deployed:
    """Follow a deploy to its end, as the command that began it does; `timeout` is seconds.

    Raises NotFound for an id that the server does not know, and what following raises.
    """
    limit, seconds = time.monotonic() + timeout, dict[str, float]()
    found = deploy(client, deploy_id)
    answered, url = "", found.url or ""
    name = ProjectName(found.org, found.app)
    where, is_over = name.options(found.env), partial(replaced, client, name, found.env, found.sequence)
    with detachable(found.deploy_id, "deletion" if found.operation == "delete" else "deploy"):
        # Its events may begin with a failure that it got over (DP-Q40).
        if found.state != "done":
            url = timed(seconds, "platform", lambda: _follow(client, progress, found, limit, where)) or url
        if url and not is_over():
            answered = timed(seconds, "answer", lambda: answers(url, found.deploy_id, limit, where, is_over))
    return Deployed(found.deploy_id, found.sequence, found.release or 0, url, found.image or "", answered, seconds)


def _follow(client: Client, progress: Progress, found: Deploy, limit: float, where: str) -> str:
    what = f"roll out {found.org}/{found.app} to {found.env}"
    if found.operation == "delete":
        what = f"delete {found.org}/{found.app}/{found.env}"
    return follow(client, progress, what, found.deploy_id, limit, where)
