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
