"""The contract, fuzzed over real HTTP by somebody who may do everything, on rows that exist."""

import json
import os
import subprocess
import sys
from pathlib import Path

from sqlmodel import Session, select

from app import clock
from app.models import Booking, Claim, Fund, Role, SubsidyRule
from app.services import accounts, grants, tokens
from tests.live import Live
from tests.makers import make_group

EXAMPLES = os.environ.get("CONTRACT_EXAMPLES", "8")
"""Requests an operation; `make contract` sends more."""

NOT_ASKED = (
    "positive_data_acceptance",  # a well-formed order may still be against the rules
    "ignored_auth",  # the map answers strangers too
)

NOT_SET_UP = ("signInByWechat", "startOidc", "signInByOidc")
"""Answer 503 where nobody has keys of a provider; against providers they are tested by name."""


def everything(live: Live) -> tuple[str, dict[str, str]]:
    """A token of somebody with every role, and ids of rows they see."""
    with Session(live.engine) as session, session.begin():
        booking = session.exec(select(Booking).where(Booking.status == "pending")).first()
        claim = session.exec(select(Claim).where(Claim.status == "draft")).first()
        fund = session.exec(select(Fund)).first()
        assert booking
        assert claim
        assert fund
        rule = session.exec(select(SubsidyRule)).first()
        assert rule
        person = accounts.create(session, name="全能", phone="13911111111", password=None)
        # Of the three offices one person may hold but one.
        for role in (role for role in Role if role not in {Role.SECURITY_ADMIN, Role.AUDITOR}):
            if role == Role.SITE_MANAGER:
                grants.grant(session, account_id=person.id, role=role, site_id=booking.site_id)
            elif role in {Role.ORGANISER, Role.MEMBER}:
                at = booking.organisation_id
                grants.grant(session, account_id=person.id, role=role, organisation_id=at)
            elif role == Role.SYSTEM_ADMIN:
                grants.grant(session, account_id=person.id, role=role)
            else:
                at = booking.district_id
                grants.grant(session, account_id=person.id, role=role, organisation_id=at)
        token = tokens.issue(session, account_id=person.id, now=clock.now()).access_token
        ids = {
            "booking_id": booking.id,
            "claim_id": claim.id,
            "fund_id": fund.id,
            "group_id": make_group(session, booking).id,
            "site_id": booking.site_id,
            "organisation_id": booking.organisation_id,
            "subsidy_rule_id": rule.id,
        }
        return token, {name: str(id_) for name, id_ in ids.items()} | {"slug": "session-full"}


def test_the_server_keeps_its_contract(live: Live, tmp_path: Path) -> None:
    token, ids = everything(live)
    config = tmp_path / "schemathesis.toml"
    pairs = "\n".join(f'"path.{name}" = {json.dumps(id_)}' for name, id_ in ids.items())
    config.write_text(f"[parameters]\n{pairs}\n", encoding="utf-8")
    command: list[str | Path] = [
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        config,
        "run",
        f"{live.url}/openapi.json",
        f"--header=Authorization: Bearer {token}",
        f"--exclude-checks={','.join(NOT_ASKED)}",
        *(f"--exclude-operation-id={operation}" for operation in NOT_SET_UP),
        "--phases=examples,coverage,fuzzing",
        f"--max-examples={EXAMPLES}",
        "--generation-deterministic",
        "--no-shrink",
        "--no-color",
        "--warnings=off",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)  # noqa: S603
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
