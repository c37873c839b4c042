"""Consents to messages in WeChat (订阅消息授权): one consent, one message."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Engine, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import Malformed
from app.models import MOST_GRANTS, Provider, WechatGrant
from app.services import identities


class Answer(StrEnum):
    """What `wx.requestSubscribeMessage` tells of a template."""

    ACCEPT = "accept"
    ACCEPT_WITH_AUDIO = "acceptWithAudio"
    REJECT = "reject"
    BAN = "ban"
    FILTER = "filter"


ACCEPTED = {Answer.ACCEPT, Answer.ACCEPT_WITH_AUDIO}


class WechatTemplateUnknown(Malformed):
    """No message of ours goes by this WeChat template."""

    zh = "本平台没有使用该微信消息模板"


def record(
    session: Session, *, account_id: UUID, answers: Mapping[str, Answer], known: frozenset[str]
) -> None:
    """Count the consents a person has just given; what they declined takes none away.

    Args:
        session: open transaction.
        account_id: whose.
        answers: by template.
        known: the templates in use.

    Raises:
        WechatTemplateUnknown: one that was accepted is not in use; nothing is counted then.
    """
    for template_id in sorted(answers):
        if answers[template_id] in ACCEPTED:
            if template_id not in known:
                raise WechatTemplateUnknown(template_id=template_id)
            row = insert(WechatGrant).values(
                account_id=account_id, template_id=template_id, remaining=1
            )
            more = func.least(col(WechatGrant.remaining) + 1, MOST_GRANTS)
            key = ["account_id", "template_id"]
            session.exec(row.on_conflict_do_update(index_elements=key, set_={"remaining": more}))


def remaining(session: Session, *, account_id: UUID) -> dict[str, int]:
    """Return how many messages of each template a person has still agreed to."""
    theirs = select(WechatGrant).where(WechatGrant.account_id == account_id)
    return {row.template_id: row.remaining for row in session.exec(theirs).all()}


def spend(session: Session, *, account_id: UUID, template_id: str) -> bool:
    """Use one consent up; False if there is none. Of two who want the last one, one gets it."""
    return _moved(session, account_id, template_id, -1)


def give_back(session: Session, *, account_id: UUID, template_id: str) -> None:
    """Undo `spend`, for a message that WeChat did not take."""
    _moved(session, account_id, template_id, 1)


def drop(session: Session, *, account_id: UUID, template_id: str) -> None:
    """Count none any more, for WeChat says that there is none."""
    session.exec(
        update(WechatGrant)
        .where(col(WechatGrant.account_id) == account_id)
        .where(col(WechatGrant.template_id) == template_id)
        .values(remaining=0)
        .execution_options(synchronize_session=False)
    )


def _moved(session: Session, account_id: UUID, template_id: str, by: int) -> bool:
    left = col(WechatGrant.remaining)
    room = left > 0 if by < 0 else left < MOST_GRANTS
    moved = session.exec(
        update(WechatGrant)
        .where(col(WechatGrant.account_id) == account_id)
        .where(col(WechatGrant.template_id) == template_id, room)
        .values(remaining=left + by)
        .execution_options(synchronize_session=False)
    )
    return bool(moved.rowcount)


@dataclass(frozen=True)
class Consents:
    """The consents as the channel asks for them: by what WeChat calls a person.

    Each call is a transaction of its own: what was spent on a message that left stays spent,
    whatever becomes of who sent it.
    """

    engine: Engine

    def spend(self, openid: str, template_id: str) -> bool:
        """Use one consent up; False if there is none, or nobody is linked with this WeChat."""
        with Session(self.engine) as session, session.begin():
            whose = identities.holder_of(session, provider=Provider.WECHAT, subject=openid)
            return whose is not None and spend(session, account_id=whose, template_id=template_id)

    def give_back(self, openid: str, template_id: str) -> None:
        """Undo `spend`."""
        with Session(self.engine) as session, session.begin():
            whose = identities.holder_of(session, provider=Provider.WECHAT, subject=openid)
            if whose is not None:
                give_back(session, account_id=whose, template_id=template_id)

    def drop(self, openid: str, template_id: str) -> None:
        """Count none any more."""
        with Session(self.engine) as session, session.begin():
            whose = identities.holder_of(session, provider=Provider.WECHAT, subject=openid)
            if whose is not None:
                drop(session, account_id=whose, template_id=template_id)
