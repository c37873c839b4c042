"""One consent, one message."""

from collections.abc import Mapping
from uuid import UUID

import pytest
import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app.models import MOST_GRANTS, Account, Provider
from app.services import identities, wechat_grants
from app.services.wechat_grants import Answer, Consents, WechatTemplateUnknown
from tests.api.signing import enrol
from tests.races import at_once, replaced_sql

ONE, TWO = "template-one", "template-two"
KNOWN = frozenset({ONE, TWO})
OPENID = "oABCD-0123456789"


@pytest.fixture
def account_id(own_engine: Engine) -> UUID:
    return enrol(own_engine)


def record(
    engine: Engine,
    account_id: UUID,
    times: int = 1,
    answers: Mapping[str, Answer] | None = None,
) -> None:
    told = answers or {ONE: Answer.ACCEPT}
    for _ in range(times):
        with Session(engine) as session, session.begin():
            wechat_grants.record(session, account_id=account_id, answers=told, known=KNOWN)


def left(engine: Engine, account_id: UUID) -> dict[str, int]:
    with Session(engine) as session:
        return wechat_grants.remaining(session, account_id=account_id)


def spend(engine: Engine, account_id: UUID) -> bool:
    with Session(engine) as session, session.begin():
        return wechat_grants.spend(session, account_id=account_id, template_id=ONE)


def link(engine: Engine, account_id: UUID) -> None:
    with Session(engine) as session, session.begin():
        account = session.get(Account, account_id)
        assert account
        identities.link(session, account=account, provider=Provider.WECHAT, subject=OPENID)


def test_accepted_counts_and_declined_takes_nothing(own_engine: Engine, account_id: UUID) -> None:
    record(own_engine, account_id, 2)
    for answer in (Answer.REJECT, Answer.BAN, Answer.FILTER):
        record(own_engine, account_id, answers={ONE: answer, TWO: answer})
    record(own_engine, account_id, answers={TWO: Answer.ACCEPT_WITH_AUDIO})
    assert left(own_engine, account_id) == {ONE: 2, TWO: 1}


def test_an_unknown_template_is_refused(own_engine: Engine, account_id: UUID) -> None:
    with pytest.raises(WechatTemplateUnknown):
        record(own_engine, account_id, answers={ONE: Answer.ACCEPT, "zzz": Answer.ACCEPT})
    assert left(own_engine, account_id) == {}


def test_each_is_spent_once(own_engine: Engine, account_id: UUID) -> None:
    assert not spend(own_engine, account_id)
    record(own_engine, account_id, 2)
    assert [spend(own_engine, account_id) for _ in range(3)] == [True, True, False]


def test_more_than_the_most_are_not_kept(own_engine: Engine, account_id: UUID) -> None:
    record(own_engine, account_id)
    with own_engine.begin() as connection:
        full = sqlalchemy.text("UPDATE wechat_grant SET remaining = :most")
        connection.execute(full, {"most": MOST_GRANTS})
    record(own_engine, account_id)
    assert left(own_engine, account_id) == {ONE: MOST_GRANTS}
    with Session(own_engine) as session, session.begin():
        wechat_grants.give_back(session, account_id=account_id, template_id=ONE)
    assert left(own_engine, account_id) == {ONE: MOST_GRANTS}


def test_of_many_who_want_the_last_ones_so_many_get_them(
    own_engine: Engine, account_id: UUID
) -> None:
    record(own_engine, account_id, 3)
    got = at_once(8, lambda _: spend(own_engine, account_id))
    assert sum(got) == 3
    assert left(own_engine, account_id) == {ONE: 0}


def test_many_who_agree_at_once_are_all_counted(own_engine: Engine, account_id: UUID) -> None:
    at_once(8, lambda _: record(own_engine, account_id))
    assert left(own_engine, account_id) == {ONE: 8}


def test_without_the_condition_the_constraint_stands(own_engine: Engine, account_id: UUID) -> None:
    record(own_engine, account_id)
    assert spend(own_engine, account_id)
    guard = " AND wechat_grant.remaining > %(remaining_2)s::INTEGER"
    with replaced_sql(own_engine, guard), pytest.raises(IntegrityError):
        spend(own_engine, account_id)
    assert left(own_engine, account_id) == {ONE: 0}


def test_the_channel_knows_people_by_their_openid(own_engine: Engine, account_id: UUID) -> None:
    consents = Consents(own_engine)
    record(own_engine, account_id, 3)
    assert not consents.spend(OPENID, ONE)
    consents.give_back(OPENID, ONE)
    consents.drop(OPENID, ONE)
    assert left(own_engine, account_id) == {ONE: 3}
    link(own_engine, account_id)
    assert consents.spend(OPENID, ONE)
    assert not consents.spend(OPENID, TWO)
    assert left(own_engine, account_id) == {ONE: 2}
    consents.give_back(OPENID, ONE)
    assert left(own_engine, account_id) == {ONE: 3}
    consents.drop(OPENID, ONE)
    assert left(own_engine, account_id) == {ONE: 0}
    assert not consents.spend(OPENID, ONE)
