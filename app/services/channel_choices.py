"""By which ways a person wants messages, beside the inbox, which everybody has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col, select

from app.errors import Malformed
from app.models import Account, ChannelChoice, Identity, Provider, Way
from app.services import privacy

ADDRESSED = (Way.EMAIL, Way.WECOM)
"""Ways for which a person names an address; the others have the account's own."""
MAILBOX = re.compile(r"[^@\s<>,;:\"\\]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
ROBOT = re.compile(r"[A-Za-z0-9-]{16,64}", re.ASCII)
SHAPES = {Way.EMAIL: MAILBOX, Way.WECOM: ROBOT}


class AddressUnfit(Malformed):
    """An address is missing, is no address for this way, or the way takes none."""

    zh = "该渠道的地址缺失或有误"


@dataclass(frozen=True)
class Wish:
    """A way somebody wants, or not; `address` where it takes one, None for the one that is kept."""

    channel: Way
    enabled: bool
    address: str | None = None


@dataclass(frozen=True)
class Shown:
    """A choice as its owner sees it: `reachable` tells whether there is an address."""

    channel: Way
    enabled: bool
    reachable: bool
    address: str | None


def choices(session: Session, *, account_id: UUID) -> list[Shown]:
    """Return what a person chose, in the order in which the ways are tried.

    Who chose nothing has WeChat, if linked.
    """
    rows = session.exec(
        select(ChannelChoice)
        .where(ChannelChoice.account_id == account_id)
        .order_by(col(ChannelChoice.place))
    ).all()
    account = session.get_one(Account, account_id)
    linked = _linked(session, account_id)
    if not rows:
        return [Shown(Way.WECHAT, True, True, None)] if linked else []
    reachable = {Way.WECHAT: linked, Way.SMS: account.phone_sealed is not None}
    return [
        Shown(
            way := Way(row.channel),
            row.enabled,
            reachable.get(way, True),
            _masked(way, row.address_sealed),
        )
        for row in rows
    ]


def _linked(session: Session, account_id: UUID) -> bool:
    theirs = select(Identity.subject_sealed).where(
        Identity.account_id == account_id, Identity.provider == Provider.WECHAT
    )
    return session.exec(theirs).first() is not None


def _masked(way: Way, sealed: bytes | None) -> str | None:
    """Return an address that only its owner recognises."""
    if sealed is None:
        return None
    address = privacy.unseal_bytes(sealed).decode()
    if way is Way.EMAIL:
        name, _, domain = address.rpartition("@")
        return f"{name[0]}***@{domain}"
    return f"***{address[-4:]}"


def choose(session: Session, *, account_id: UUID, wishes: Sequence[Wish]) -> None:
    """Replace what a person chose; the first way is tried first.

    Args:
        session: open transaction.
        account_id: whose.
        wishes: each way at most once.

    Raises:
        AddressUnfit: see there.
    """
    # Their own account's row, so that two changes at once come one after the other.
    session.exec(select(Account.id).where(Account.id == account_id).with_for_update()).one()
    theirs = col(ChannelChoice.account_id) == account_id
    kept = {
        row.channel: row.address_sealed
        for row in session.exec(select(ChannelChoice).where(theirs)).all()
    }
    session.exec(delete(ChannelChoice).where(theirs))
    for place, wish in enumerate(wishes):
        session.add(
            ChannelChoice(
                account_id=account_id,
                channel=wish.channel,
                enabled=wish.enabled,
                place=place,
                address_sealed=_sealed(wish, kept.get(wish.channel)),
            )
        )
    session.flush()


def _sealed(wish: Wish, kept: bytes | None) -> bytes | None:
    """Return the address of a wish as it is kept.

    Raises:
        AddressUnfit: see there.
    """
    if wish.channel not in ADDRESSED:
        if wish.address is not None:
            raise AddressUnfit(channel=wish.channel)
        return None
    if wish.address is None:
        if kept is None:
            raise AddressUnfit(channel=wish.channel)
        return kept
    if not SHAPES[wish.channel].fullmatch(wish.address):
        raise AddressUnfit(channel=wish.channel)
    return privacy.seal_bytes(wish.address.encode())
