"""The people of the demonstration: made once, listed at any time.

Their numbers are of one range (示例号码); the country sets none aside for examples, so nothing
may be sent there. A password follows from its number: whoever sees the list may sign in, and no
password is kept.
"""

import hashlib
from dataclasses import dataclass, field
from uuid import UUID

from sqlmodel import Session, col, select

from app.models import Account, Grant, Organisation, Role, Site
from app.services import accounts, grants, privacy

_RANGE = "1380000"
_MANY = 10_000
ADMINISTRATOR = f"{_RANGE}0001"
"""The first one enrolled; who looks for a demonstration looks for this number."""


@dataclass(frozen=True)
class DemoAccount:
    """Somebody to sign in as, and where their role is."""

    role: Role
    name: str
    phone: str
    password: str
    organisation_id: UUID | None
    site_id: UUID | None

    def as_json(self) -> dict[str, str | None]:
        """Return it as `python -m app demo accounts` prints it."""
        return {
            "role": self.role,
            "name": self.name,
            "phone": self.phone,
            "password": self.password,
            "organisation_id": str(self.organisation_id) if self.organisation_id else None,
            "site_id": str(self.site_id) if self.site_id else None,
        }


@dataclass(frozen=True)
class Person:
    """Somebody enrolled; `phone` as it is typed."""

    account_id: UUID
    name: str
    phone: str


@dataclass
class Directory:
    """Gives everybody an account and the next number."""

    last: int = field(default=0)

    def enrol(
        self, session: Session, role: Role | None, name: str, home: Organisation | None
    ) -> Person:
        """Open an account: with a password for a role to be shown, without one for a stand-in."""
        self.last += 1
        assert self.last < _MANY  # noqa: S101
        phone = f"{_RANGE}{self.last:04}"
        password = None if role is None else password_of(phone)
        account = accounts.create(
            session,
            name=name,
            phone=phone,
            password=password,
            organisation_id=home.id if home else None,
        )
        return Person(account.id, name, phone)

    def appoint(
        self,
        session: Session,
        person: Person,
        role: Role,
        *,
        organisation: Organisation | None = None,
        site: Site | None = None,
    ) -> None:
        """Give somebody a role."""
        grants.grant(
            session,
            account_id=person.account_id,
            role=role,
            organisation_id=organisation.id if organisation else None,
            site_id=site.id if site else None,
        )


def password_of(phone: str) -> str:
    """Return the password of a number of the demonstration: no secret, but each its own."""
    digest = hashlib.sha256(f"party-map demonstration {phone}".encode()).digest()
    return f"demo-{int.from_bytes(digest[:4], 'big') % 1_000_000:06}"


def is_built(session: Session) -> bool:
    """Tell whether the database holds the demonstration; it holds all of it or nothing."""
    wanted = select(Account.id).where(Account.phone_hash == privacy.fingerprint(ADMINISTRATOR))
    return session.exec(wanted).first() is not None


def listed(session: Session) -> list[DemoAccount]:
    """Return everybody there is to sign in as, role by role; nobody without a demonstration."""
    if not is_built(session):
        return []
    rows = session.exec(
        select(Account, Grant)
        .join(Grant, col(Grant.account_id) == Account.id)
        .where(col(Account.password_hash).is_not(None))
        .order_by(col(Grant.id))
    ).all()
    national = [
        (privacy.unseal(account.phone_sealed)[-11:], account, grant)
        for account, grant in rows
        if account.phone_sealed
    ]
    roles = list(Role)
    shown = [
        DemoAccount(
            role=Role(grant.role),
            name=account.name,
            phone=phone,
            password=password_of(phone),
            organisation_id=grant.organisation_id,
            site_id=grant.site_id,
        )
        for phone, account, grant in national
        if phone.startswith(_RANGE)
    ]
    return sorted(shown, key=lambda one: (roles.index(one.role), one.phone))
