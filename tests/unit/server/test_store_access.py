"""Tokens, device login, the audit trail and repeated requests in the store. Each test runs on every database."""

import asyncio
import re
from dataclasses import replace
from typing import Any, cast

import pytest
from starlette.responses import Response
from unit.server.conftest import Store
from unit.server.orders import MINUTE, NOON, SHOP, order

from kilter.api import tokens as token_format
from kilter.api.access import Scope
from kilter.api.deploys import DeployAccepted
from kilter.api.tokens import Token
from kilter.server import clock, ids
from kilter.server.call import Call, Services
from kilter.server.routes.deploys import accept_once
from kilter.server.store import audit, deploys, devices, idempotency, sessions, tokens
from kilter.server.store.audit import Attempt, Outcome
from kilter.server.store.engine import Tx
from kilter.server.store.idempotency import Answered, Key
from kilter.server.store.tokens import Grant

DAY = 86400 * clock.SECOND
GRANT = Grant("", "ann", "deployer", (Scope(project="acme/*"),), NOON + DAY)


def stored(store: Store, **changes: Any) -> Token:
    token = token_format.mint()
    store(tokens.insert, token, replace(GRANT, token_id=token.id, **changes), created_by="admin", now=NOON)
    return token


def everything(tx: Tx) -> str:
    tables = ("tokens", "device_codes", "audit", "idempotency")
    return repr([tx.rows(f"SELECT * FROM {table}") for table in tables])  # noqa: S608


def test_a_token_is_known_by_its_secret_until_it_expires(store: Store) -> None:
    token = stored(store)
    assert store(tokens.verify, token, NOON) == replace(GRANT, token_id=token.id)
    assert store(tokens.verify, Token(token.id, "x" * 33), NOON) is None
    assert store(tokens.verify, token_format.mint(), NOON) is None
    assert store(tokens.find, token.id, NOON + DAY - 1) == replace(GRANT, token_id=token.id)
    assert store(tokens.verify, token, NOON + DAY) is None
    assert store(tokens.find, token.id, NOON + DAY) is None


def test_tokens_are_listed_from_the_oldest_on(store: Store) -> None:
    for number, token_id in enumerate("cab"):
        token, now = replace(token_format.mint(), id=token_id), NOON + number
        store(tokens.insert, token, replace(GRANT, token_id=token_id), created_by="admin", now=now)
    assert [info.id for info in store(tokens.listed)] == ["c", "a", "b"]


def test_a_revoked_token_is_gone_at_once(store: Store) -> None:
    """S2."""
    token = stored(store)
    assert store(tokens.delete, token.id)
    assert store(tokens.verify, token, NOON) is None
    assert store(tokens.find, token.id, NOON) is None
    assert not store(tokens.delete, token.id)


def test_a_token_that_ended_is_listed_for_a_year(store: Store) -> None:
    """The audit trail names it as long."""
    ended, good = stored(store), stored(store, expires_at=NOON + 2 * tokens.KEPT)
    year_later = NOON + DAY + tokens.KEPT
    assert store(tokens.prune, year_later) == 0
    assert {each.id for each in store(tokens.listed)} == {ended.id, good.id}
    assert store(tokens.prune, year_later + 1) == 1
    assert [each.id for each in store(tokens.listed)] == [good.id]


def test_secrets_of_tokens_and_devices_are_not_stored(store: Store) -> None:
    """G5, A22: what the store holds opens nothing."""
    token, code = stored(store), store(devices.start, "laptop", NOON)
    held = store(everything)
    assert token.id in held
    assert token.secret not in held
    assert code.secret not in held


def test_the_use_of_a_token_is_noted_once_an_hour(store: Store) -> None:
    token = stored(store)
    for now in (NOON, NOON + MINUTE, NOON + 2 * 60 * MINUTE):
        store(tokens.verify, token, now)
    [info] = store(tokens.listed)
    assert info.last_used_at == clock.to_datetime(NOON + 120 * MINUTE)


def test_the_installers_token_counts_only_where_there_is_none(store: Store) -> None:
    """S21."""
    first, second = token_format.mint(), token_format.mint()
    assert store(tokens.insert_first, first, replace(GRANT, token_id=first.id), now=NOON)
    assert not store(tokens.insert_first, second, replace(GRANT, token_id=second.id), now=NOON)
    assert store(tokens.verify, second, NOON) is None


def test_a_device_gets_one_token_after_approval_and_no_second_one(store: Store) -> None:
    """DP-Q7."""
    approver = stored(store)
    code = store(devices.start, "laptop", NOON)
    assert store(devices.collect, code.secret, NOON) == "pending"
    assert store(devices.approve, code.user_code.lower(), approver.id, NOON) == "laptop"
    token, info = store(devices.collect, code.secret, NOON + MINUTE)
    assert (info.actor, info.role, info.scopes) == ("ann", "deployer", GRANT.scopes)
    assert store(tokens.verify, token, NOON) is not None
    assert store(devices.collect, code.secret, NOON + 2 * MINUTE) == "expired"


def test_a_device_never_holds_more_nor_longer_than_who_let_it_in(store: Store) -> None:
    approver = stored(store)
    code = store(devices.start, "laptop", NOON)
    store(devices.approve, code.user_code, approver.id, NOON)
    _, info = store(devices.collect, code.secret, NOON)
    assert info.expires_at == clock.to_datetime(GRANT.expires_at)


def test_a_device_is_let_in_for_ninety_days_at_most(store: Store) -> None:
    approver = stored(store, expires_at=NOON + 365 * DAY)
    code = store(devices.start, "laptop", NOON)
    store(devices.approve, code.user_code, approver.id, NOON)
    token, info = store(devices.collect, code.secret, NOON)
    assert info.expires_at == clock.to_datetime(NOON + 90 * DAY)
    assert store(tokens.verify, token, NOON + 90 * DAY) is None


def test_an_approval_dies_with_the_token_that_gave_it(store: Store) -> None:
    approver = stored(store)
    code = store(devices.start, "laptop", NOON)
    store(devices.approve, code.user_code, approver.id, NOON)
    store(tokens.delete, approver.id)
    assert store(devices.collect, code.secret, NOON) == "expired"


def test_a_device_code_ends_after_ten_minutes(store: Store) -> None:
    code = store(devices.start, "laptop", NOON)
    late = NOON + 10 * MINUTE
    assert store(devices.collect, code.secret, late - 1) == "pending"
    assert store(devices.approve, code.user_code, "tok", late) is None
    assert store(devices.collect, code.secret, late) == "expired"


def test_a_device_that_asks_too_often_is_told_so(store: Store) -> None:
    code = store(devices.start, "laptop", NOON)
    assert store(devices.collect, code.secret, NOON) == "pending"
    assert store(devices.collect, code.secret, NOON + clock.SECOND) == "too_fast"
    assert store(devices.collect, code.secret, NOON + 5 * clock.SECOND) == "pending", "a second is forgiven"


def test_a_device_keeps_the_rights_of_who_let_it_in_first(store: Store) -> None:
    """Whoever reads the code over a shoulder swaps nothing any more."""
    code = store(devices.start, "laptop", NOON)
    assert store(devices.approve, f" {code.user_code} ", stored(store).id, NOON) == "laptop"
    assert store(devices.approve, code.user_code, stored(store, actor="mallory").id, NOON) is None
    _, info = store(devices.collect, code.secret, NOON)
    assert info.actor == "ann"


def test_the_codes_of_a_device_are_long_enough_not_to_be_guessed(store: Store) -> None:
    code = store(devices.start, "laptop", NOON)
    assert re.fullmatch(f"[{devices.LETTERS}]{{4}}-[{devices.LETTERS}]{{4}}", code.user_code)
    assert len(code.secret) >= 43, "256 bits"


def test_an_unknown_user_code_lets_nobody_in(store: Store) -> None:
    assert store(devices.approve, "AAAA-AAAA", "tok", NOON) is None


def test_waiting_device_codes_have_an_end(store: Store) -> None:
    """S23: anybody may ask for one."""

    def fill(tx: Tx) -> None:
        for number in range(devices.WAITING_LIMIT):
            values = (f"d{number}", f"u{number}", "c", NOON, NOON + MINUTE)
            sql = "INSERT INTO device_codes (digest, user_code, client_name, created_at, expires_at)"
            tx.execute(sql + " VALUES (?, ?, ?, ?, ?)", *values)

    store(fill)
    assert store(devices.start, "laptop", NOON) is None
    assert store(devices.start, "laptop", NOON + MINUTE) is not None


ATTEMPT = Attempt("aud-1", NOON, "ann", "tok", "deploy", "req-1", "acme", "shop", "prod")


@pytest.mark.parametrize("begun", [True, False])
def test_the_trail_shows_who_did_what_and_what_became_of_it_first(store: Store, begun: bool) -> None:
    """DP-Q74: whoever lost the answer to a commit does not write over it."""
    if begun:
        store(audit.begin, ATTEMPT)
    for outcome in (Outcome(202, None, "dep-1", ("skip_check",)), Outcome(503, "unavailable")):
        store(audit.finish, ATTEMPT, outcome)
    [entry] = store(audit.page, filters={}, before=None, limit=10)
    assert (entry.actor, entry.token_id, entry.action, entry.project) == ("ann", "tok", "deploy", "acme/shop")
    assert (entry.status, entry.deploy_id, entry.overrides) == (202, "dep-1", ("skip_check",))


def test_an_attempt_that_the_server_did_not_survive_stays_visible(store: Store) -> None:
    store(audit.begin, ATTEMPT)
    [entry] = store(audit.page, filters={}, before=None, limit=10)
    assert entry.status == 0


def test_the_trail_is_filtered_and_turned_page_by_page(store: Store) -> None:
    for number in range(5):
        at, env = NOON + number * clock.SECOND, "dev" if number % 2 else "prod"
        store(audit.begin, replace(ATTEMPT, id=ids.new("aud", at), at=at, env=env))
    newest = store(audit.page, filters={"env": "prod"}, before=None, limit=2)
    rest = store(audit.page, filters={"env": "prod"}, before=newest[-1].id, limit=2)
    assert len(newest) == 2
    assert len(rest) == 1
    assert newest[0].at > newest[1].at > rest[0].at


def test_hostile_text_in_a_filter_is_data(store: Store) -> None:
    """S20."""
    store(audit.begin, ATTEMPT)
    for text in ("' OR 1=1 --", "%", 'x"; DROP TABLE audit', "?"):
        assert store(audit.page, filters={"actor": text}, before=None, limit=10) == []


def test_the_trail_is_kept_a_year(store: Store) -> None:
    """DP-Q74."""
    store(audit.begin, ATTEMPT)
    assert store(audit.prune, NOON + 365 * DAY) == 0
    assert store(audit.prune, NOON + 365 * DAY + 1) == 1


def key(fingerprint: str = "body", whose: str = "tok") -> Key:
    return Key(whose, "k", fingerprint)


def test_the_same_key_and_body_get_the_same_answer(store: Store) -> None:
    """S10."""
    assert store(idempotency.begin, key(), NOON) == "new"
    assert store(idempotency.begin, key(), NOON) == "running"
    store(idempotency.finish, key(), Answered(202, "{}"))
    assert store(idempotency.begin, key(), NOON) == Answered(202, "{}")
    assert store(idempotency.begin, key("other"), NOON) == "other"
    assert store(idempotency.begin, key("other", "tok2"), NOON) == "new"


def test_a_key_is_free_again_after_a_failure_a_crash_or_a_day(store: Store) -> None:
    store(idempotency.begin, key(), NOON)
    store(idempotency.free, key())
    assert store(idempotency.begin, key(), NOON) == "new"
    crashed = NOON + MINUTE
    assert store(idempotency.begin, key(), crashed - 1) == "running"
    assert store(idempotency.begin, key("other"), crashed) == "other"
    assert store(idempotency.begin, key(), crashed) == "new"
    store(idempotency.finish, key(), Answered(202, "{}"))
    later = crashed + DAY
    assert store(idempotency.begin, key("other"), later - 1) == "other"
    assert store(idempotency.begin, key("other"), later) == "new"
    assert store(idempotency.begin, key("other"), later) == "running"


def test_a_key_is_freed_and_answered_for_who_sent_it_alone(store: Store) -> None:
    """S10: another token may use the same text, and a token uses many."""
    others = key(whose="tok2"), Key("tok", "another", "body")
    for each in (key(), *others):
        assert store(idempotency.begin, each, NOON) == "new"
    store(idempotency.finish, key(), Answered(202, "{}"))
    assert [store(idempotency.begin, each, NOON) for each in others] == ["running"] * 2
    store(idempotency.free, key())
    assert [store(idempotency.begin, each, NOON) for each in others] == ["running"] * 2
    assert store(idempotency.begin, key(), NOON) == "new"


def test_a_key_is_kept_a_day(store: Store) -> None:
    store(idempotency.begin, key(), NOON)
    store(idempotency.begin, key(whose="tok2"), NOON + MINUTE)
    assert store(idempotency.prune, NOON + DAY) == 0
    assert store(idempotency.prune, NOON + DAY + 1) == 1
    store(idempotency.finish, key(whose="tok2"), Answered(202, "{}"))
    assert store(idempotency.begin, key(whose="tok2"), NOON + DAY) == Answered(202, "{}")


def test_of_many_requests_with_one_key_one_is_carried_out(store: Store) -> None:
    """S10: at the same moment, on whatever replica."""

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(store.engine.run(idempotency.begin, key(), NOON) for _ in range(16)))

    answers = store.runner.run(all_at_once())
    assert sorted(answers) == ["new"] + ["running"] * 15


def test_of_many_repeats_of_one_deploy_one_is_accepted_and_all_get_its_answer(store: Store) -> None:
    """S10, F28: at the same moment, on whatever replica; those who come second wait for the first."""

    def accept(tx: Tx, _: Call) -> DeployAccepted:
        record, place = deploys.accept(tx, order(), NOON)
        number = record.sequence
        return DeployAccepted(deploy_id=record.id, sequence=number, release=number, url=None, queue=place)

    def asked(number: int) -> Call:
        attempt = replace(ATTEMPT, id=f"aud-{number}")
        return Call(cast("Services", None), "req-1", NOON, {}, {}, attempt=attempt, key=key())

    async def all_at_once(calls: list[Call]) -> list[Any]:
        return await asyncio.gather(*(store.engine.run(accept_once, call, accept) for call in calls))

    answers = store.runner.run(all_at_once([asked(number) for number in range(16)]))
    first, *repeated = sorted(answers, key=lambda answer: isinstance(answer, Response))
    assert {each.body for each in repeated} == {first.response().body}
    (record,) = store(deploys.page, SHOP, below=None, limit=100)
    trail = store(audit.page, filters={}, before=None, limit=100)
    assert [(each.status, each.deploy_id) for each in trail] == [(202, record.id)] * 16


def test_a_session_is_good_as_long_as_it_and_its_token_are(store: Store) -> None:
    token = token_format.mint()
    store(tokens.insert, token, replace(GRANT, token_id=token.id), created_by="test", now=NOON)
    secret = store(sessions.start, token.id, NOON)
    assert store(sessions.find, secret, NOON).token_id == token.id
    assert store(sessions.find, secret, NOON + sessions.LIFETIME) is None
    assert store(sessions.find, secret + "x", NOON) is None
    assert secret not in repr(store(lambda tx: tx.rows("SELECT * FROM sessions")))
    assert store(sessions.prune, NOON) == 0
    store(tokens.delete, token.id)
    assert store(sessions.find, secret, NOON) is None
    assert store(sessions.prune, NOON) == 1
    store(sessions.end, secret)
