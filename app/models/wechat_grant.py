"""Consents to messages in WeChat (订阅消息授权): each is good for one."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

MOST_GRANTS = 1000


class WechatGrant(SQLModel, table=True):
    """How many messages of a template a person has still agreed to, as far as we know.

    WeChat keeps the true count and tells it to nobody; ours spares messages that it would refuse.
    Not audited: it changes with every message, and all those of no district wait in one line there.
    """

    __tablename__ = "wechat_grant"
    __table_args__: Any = (
        CheckConstraint(f"remaining BETWEEN 0 AND {MOST_GRANTS}", name="remaining"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    template_id: str = Field(primary_key=True)
    remaining: int
