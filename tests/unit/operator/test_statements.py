"""What is said to the database server, where somebody made something of the name since a step looked."""

from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from kilter.operator import effects
from kilter.operator.effects import DatabaseEffect
from kilter.operator.statements import OWNED_BY, ROLES, change

pytestmark = pytest.mark.requirement("O2")
MARK = "kilter:default:acme/shop/prod"


@dataclass
class Server:
    """A server with one role and one database; notes what is changed."""

    mark: str
    owner: str
    row: Any = None
    changed: list[str] = field(default_factory=list)

    def execute(self, query: Any, values: Any = None) -> "Server":
        text = query if isinstance(query, str) else query.as_string(None)
        if text == ROLES:
            self.row = ("shop_app", True, self.mark, None)
        elif text == OWNED_BY:
            self.row = (1,) if values[1] == self.owner else None
        elif text.startswith("CREATE ROLE"):
            raise psycopg.errors.DuplicateObject('role "shop_app" already exists')
        elif not text.startswith("SELECT"):
            self.changed.append(text.split()[0])
        return self

    def fetchone(self) -> Any:
        return self.row


def changed(effect: DatabaseEffect, mark: str, owner: str) -> list[str]:
    server: Any = Server(mark, owner)
    change(server, effect)
    return list(server.changed)


@pytest.mark.parametrize(
    ("effect", "done"),
    [
        (effects.SealDatabase("shop", "shop_owner", MARK), ["REVOKE", "COMMENT"]),
        (effects.CloseRole("shop_app", MARK), ["ALTER"]),
        (effects.DropRole("shop_app", MARK), ["DROP"]),
        (effects.RetireDatabase("shop", "shop_owner", "shop__gone_1"), ["ALTER", "ALTER"]),
    ],
)
def test_nothing_is_done_to_what_is_not_the_environments_own(effect: DatabaseEffect, done: list[str]) -> None:
    assert changed(effect, MARK, "shop_owner") == done
    assert changed(effect, "somebody's", "somebody") == []


def test_a_role_that_somebody_else_made_meanwhile_is_not_gone_on_with() -> None:
    effect = effects.CreateRole("shop_app", MARK)
    assert changed(effect, MARK, "shop_owner") == []
    with pytest.raises(psycopg.errors.DuplicateObject):
        changed(effect, "somebody's", "somebody")


@pytest.mark.requirement("DP-Q25")
@pytest.mark.parametrize(("days", "until"), [(7, "in a week"), (0, "infinity")])
def test_a_role_is_closed_until_the_day_that_its_database_is_kept(days: int, until: str) -> None:
    """Without a number of days it is kept for good: a moment that is over at once would have the data dropped."""

    class Clock(Server):
        said = ""

        def execute(self, query: Any, values: Any = None) -> "Server":
            text = query if isinstance(query, str) else query.as_string(None)
            if "make_interval" in text:
                assert values == (days,)
                self.row = ("in a week" if days else "now",)
                return self
            self.said += text if text.startswith("ALTER ROLE") else ""
            return super().execute(query, values)

    server: Any = Clock(MARK, "shop_owner")
    change(server, effects.CloseRole("shop_app", MARK, days))
    assert f"VALID UNTIL '{until}'" in server.said
