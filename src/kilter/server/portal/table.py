"""The table of all pages; what is not in it is not found."""

from typing import Final

from kilter.server.portal import deploys, logs, projects, signing, trail
from kilter.server.portal.door import Page

PROJECT: Final = "/projects/{org}/{app}"
ENV: Final = PROJECT + "/envs/{env}"
DEPLOY: Final = "/deploys/{deploy_id}"

PAGES: Final[tuple[Page, ...]] = (
    Page("GET", "/sign-in", signing.sign_in_form, is_open=True),
    Page("POST", "/sign-in", signing.sign_in, is_open=True),
    Page("POST", "/sign-out", signing.sign_out),
    Page("GET", "/device", signing.device_form),
    Page("POST", "/device", signing.approve_device),
    Page("GET", "/account", signing.account),
    Page("POST", "/account/revoke", signing.revoke_own),
    Page("POST", "/tokens/{token_id}/revoke", signing.revoke),
    Page("GET", "/", projects.tiles),
    Page("GET", PROJECT, projects.project),
    Page("GET", ENV, projects.environment),
    Page("GET", ENV + "/delete", projects.delete_form),
    Page("POST", ENV + "/delete", projects.delete),
    Page("GET", ENV + "/logs", logs.logs),
    Page("GET", ENV + "/logs/stream", logs.stream),
    Page("GET", DEPLOY, deploys.deploy),
    Page("GET", DEPLOY + "/events", deploys.stream),
    Page("POST", DEPLOY + "/cancel", deploys.cancel),
    Page("GET", "/audit", trail.trail),
)
