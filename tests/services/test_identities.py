"""What other services call a person: one name there for each account, and one account for each."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from app.models import Account, Identity, OidcLogin, Provider
from app.services import identities
from app.services.identities import LIFE, AlreadyLinked
from tests.conftest import NOW, as_owner
from tests.makers import make_account
from tests.races import at_once

SECOND = timedelta(seconds=1)
OPENID = "oABCD-1234"


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


def link(session: Session, account: Account, subject: str = OPENID) -> None:
    identities.link(session, account=account, provider=Provider.WECHAT, subject=subject)


def found(session: Session, subject: str = OPENID) -> Account | None:
    return identities.account_of(session, provider=Provider.WECHAT, subject=subject)


def test_a_linked_subject_is_the_account(session: Session, account: Account) -> None:
    assert found(session) is None
    link(session, account)
    assert found(session) is account
    assert found(session, "another") is None


def test_a_name_at_one_provider_is_none_at_another(session: Session, account: Account) -> None:
    link(session, account)
    assert identities.account_of(session, provider=Provider.OIDC, subject=OPENID) is None


def test_the_name_there_is_not_kept(session: Session, account: Account) -> None:
    link(session, account)
    kept = session.exec(select(Identity.subject_hash)).one()
    assert OPENID.encode() not in kept
    assert len(kept) == 32


def test_linking_again_is_harmless(session: Session, account: Account) -> None:
    link(session, account)
    link(session, account)
    assert len(session.exec(select(Identity)).all()) == 1


def test_an_account_has_one_name_there(session: Session, account: Account) -> None:
    link(session, account)
    with pytest.raises(AlreadyLinked):
        link(session, account, "another")


def test_a_name_there_has_one_account(session: Session, account: Account) -> None:
    link(session, account)
    with pytest.raises(AlreadyLinked):
        link(session, make_account(session))


def test_an_inactive_account_is_nobodys(session: Session, account: Account) -> None:
    link(session, account)
    account.active = False
    session.flush()
    assert found(session) is None


def rivals(engine: Engine, subjects: list[str], people: int) -> list[bool]:
    """Whether each of as many links, made at once, of subjects and people in turn, is there."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        accounts = [make_account(session) for _ in range(people)]

    def one(number: int) -> bool:
        with Session(engine) as session, session.begin():
            try:
                link(session, accounts[number % people], subjects[number % len(subjects)])
            except AlreadyLinked:
                return False
            return True

    return at_once(4, one)


def test_of_rivals_for_one_account_one_is_linked(own_engine: Engine) -> None:
    assert sum(rivals(own_engine, ["a", "b", "c", "d"], 1)) == 1
    assert links(own_engine) == 1


def test_of_rivals_for_one_name_one_is_linked(own_engine: Engine) -> None:
    assert sum(rivals(own_engine, [OPENID], 4)) == 1
    assert links(own_engine) == 1


def test_the_same_link_at_once_is_one(own_engine: Engine) -> None:
    assert sum(rivals(own_engine, [OPENID], 1)) == 4
    assert links(own_engine) == 1


def test_without_the_index_several_would_be(own_engine: Engine) -> None:
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text("DROP INDEX identity_account_key"))
    assert sum(rivals(own_engine, ["a", "b", "c", "d"], 1)) == 4


def links(engine: Engine) -> int:
    with Session(engine) as session:
        return len(session.exec(select(Identity)).all())


def remember(session: Session, state: str = "state") -> None:
    identities.remember(session, state=state, nonce="nonce", code_verifier="verifier", now=NOW)


def taken(session: Session, state: str = "state", after: timedelta = SECOND) -> bool:
    login = identities.take(session, state=state, now=NOW + after)
    assert login is None or (login.nonce, login.code_verifier) == ("nonce", "verifier")
    return login is not None


def test_a_sign_in_comes_back_once(session: Session) -> None:
    remember(session)
    assert not taken(session, "other")
    assert taken(session)
    assert not taken(session)


def test_it_is_awaited_for_ten_minutes(session: Session) -> None:
    for state in ("one", "two"):
        remember(session, state)
    assert taken(session, "one", LIFE - SECOND)
    assert not taken(session, "two", LIFE)


def test_the_state_is_not_kept(session: Session) -> None:
    remember(session)
    assert b"state" not in session.exec(select(OidcLogin.state_hash)).one()


def test_coming_back_twice_at_once_it_is_taken_once(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        remember(session)

    def one(_: int) -> bool:
        with Session(own_engine) as session, session.begin():
            return taken(session)

    assert sum(at_once(6, one)) == 1


def test_sign_ins_that_did_not_come_back_are_forgotten(session: Session) -> None:
    remember(session)
    assert identities.forget_expired(session, NOW + LIFE - SECOND) == 0
    assert identities.forget_expired(session, NOW + LIFE) == 1
    assert identities.forget_expired(session, NOW + LIFE) == 0
