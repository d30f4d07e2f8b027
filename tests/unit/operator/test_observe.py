"""What a look finds out before a step decides, past whom it asks, and whom it does not ask."""

import base64
from datetime import UTC, datetime

import msgspec
import pytest
from unit.operator.acting import COMMIT, NAME, Answers, Stage, Writer, given
from unit.operator.test_lost_database import BASE, POSTGRES, Server
from unit.operator.test_settled import OWN

from kilter.api.kilterapp import KilterApp, Spec
from kilter.api.kilterapp_status import Git, Status
from kilter.errors import Failed
from kilter.operator import observe
from kilter.operator.steps.base import Target
from kilter.operator.steps.database import PASSWORD, DatabaseFact, RoleFact
from kilter.operator.steps.publish import Rendered
from kilter.operator.steps.services import CREDENTIALS
from kilter.operator.world import Observed
from kilter.render import names
from kilter.render.names import Slot

OTHER = "d" * 40
OWNED = names.database(Slot("acme", "shop", "prod"))


def target_of(stage: Stage, status: Status | None = None) -> Target:
    app = msgspec.convert(stage.app, KilterApp)
    if status is not None:
        app = msgspec.structs.replace(app, status=status)
    return Target(app, stage.world.settings, datetime.now(UTC))


def secret(stage: Stage, name: str, labels: dict[str, str], **data: str) -> None:
    """Somebody makes a Secret in the environment's namespace."""
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": NAME, "labels": labels}
    stage.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": coded})


class Asked(Server):
    """Notes whose login was tried; the login has another password."""

    tried: tuple[str, ...] = ()

    def can_log_in(self, *login: str) -> bool:
        self.tried = login
        return False


@pytest.mark.requirement("F35")
@pytest.mark.parametrize(
    ("password", "can_login", "there", "tried"),
    [
        ("fits", True, True, (OWNED.app, "fits", BASE)),
        ("", True, True, ()),
        ("fits", False, True, ()),
        ("fits", True, False, ()),
    ],
)
def test_a_login_is_tried_only_where_it_could_go_well(
    password: str, can_login: bool, there: bool, tried: tuple[str, ...]
) -> None:
    """A server counts what fails, and may shut whoever fails too often out."""
    stage, server = Stage(given(**POSTGRES)), Asked({OWNED.app: RoleFact("m", can_login=can_login)})
    server.databases = {BASE: DatabaseFact("o", "m", open_to_all=False)} if there else {}
    secret(stage, names.database_secret("shop"), OWN, **{PASSWORD: password})
    stage.world.databases = server
    found = observe.of_database(stage.world, target_of(stage))
    assert server.tried == tried
    assert not found.login_works
    assert found.configured


def test_a_database_is_asked_for_only_where_there_is_a_server_and_an_app_that_wants_one() -> None:
    stage = Stage(given(**POSTGRES))
    assert not observe.of_database(stage.world, target_of(stage)).configured
    without = Stage()
    assert observe.of_database(without.world, target_of(without)).configured


@pytest.mark.requirement("DP-Q25")
@pytest.mark.parametrize("ending", ["gone_u1", "gone_expired"])
def test_what_is_left_of_a_database_is_told_by_each_of_its_names(ending: str) -> None:
    stage, server = Stage(given(**POSTGRES)), Server({OWNED.owner: RoleFact("owner"), OWNED.app: RoleFact("login")})
    server.databases = {f"{BASE}__{ending}": DatabaseFact("o", "m", open_to_all=False)}
    stage.world.databases = server
    found = observe.of_what_is_left(stage.world, target_of(stage))
    assert found.configured
    assert (found.retired, found.expired, found.database) == (ending == "gone_u1", ending == "gone_expired", None)
    assert (found.owner, found.login) == (RoleFact("owner"), RoleFact("login"))


def test_without_a_server_nothing_is_known_of_a_database_that_is_to_go() -> None:
    stage = Stage(given(**POSTGRES))
    assert not observe.of_what_is_left(stage.world, target_of(stage)).configured


@pytest.mark.requirement("F37")
@pytest.mark.parametrize(("labels", "found"), [(OWN, "in use"), ({**OWN, "kilter.dev/env": "dev"}, ""), ({}, "")])
def test_the_password_of_a_secret_that_is_somebody_elses_is_not_taken_for_a_services(
    labels: dict[str, str], found: str
) -> None:
    stage = Stage()
    secret(stage, names.credentials_secret("redis"), labels, password="in use")
    assert observe._in_use(stage.world, target_of(stage), "redis") == found


@pytest.mark.requirement("F37")
@pytest.mark.parametrize(
    ("kinds", "known"), [(("postgres", "redis"), {"postgres": "of base", "redis": "of redis"}), ((), {})]
)
def test_a_release_is_rendered_with_the_passwords_of_the_services_that_it_has(
    kinds: tuple[str, ...], known: dict[str, str]
) -> None:
    rendered = list[Observed]()

    def render(spec: Spec, observed: Observed) -> Rendered:
        del spec
        rendered.append(observed)
        return Rendered({})

    stage = Stage(given(services=[{"name": kind, "kind": kind, "mode": "scoped"} for kind in kinds]), render)
    secret(stage, names.database_secret("shop"), OWN, **{PASSWORD: "of base"})
    secret(stage, CREDENTIALS, OWN, redis="of redis")
    observe._rendered(stage.world, target_of(stage))
    assert [(each.namespace, each.passwords) for each in rendered] == [(NAME, known)]


class Knowing(Writer):
    """A repository of which it is known, or not, what its revisions contain."""

    knows: bool | None = None

    def contains(self, revision: str, commit: str) -> bool:
        if self.knows is None:
            raise Failed("the repository is out of reach")
        return self.knows


@pytest.mark.requirement("F32", "F33")
@pytest.mark.parametrize(
    ("commit", "revision", "knows", "contained"),
    [
        (COMMIT, f"main@sha1:{COMMIT}", None, True),
        (COMMIT, f"main@sha1:{OTHER}", True, True),
        (COMMIT, f"main@sha1:{OTHER}", False, False),
        (COMMIT, f"main@sha1:{OTHER}", None, False),
        (COMMIT, "", True, False),
        ("", f"main@sha1:{OTHER}", True, False),
    ],
)
def test_flux_has_applied_a_release_once_its_revision_is_known_to_contain_the_commit(
    commit: str, revision: str, knows: bool | None, contained: bool
) -> None:
    stage, writer = Stage(), Knowing()
    writer.knows = knows
    stage.world.publications.open(writer)
    status = Status(git=Git(path="apps/acme/shop/prod", commit=commit)) if commit else Status()
    assert observe._contains(stage.world, target_of(stage, status), revision) is contained


@pytest.mark.parametrize(("ready", "reachable", "asked"), [(3, True, True), (0, True, False), (3, False, False)])
def test_the_gateway_is_asked_only_where_it_is_known_and_pods_are_ready(
    ready: int, reachable: bool, asked: bool
) -> None:
    stage = Stage(gateway=Answers(reachable=reachable))
    stage.run(ready=ready)
    found = observe.of_route(stage.world, target_of(stage))
    assert bool(stage.gateway.asked) is asked
    assert list(found.answers) == stage.gateway.asked
