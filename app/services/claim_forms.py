"""A claim as a form for the file (补助申领表): what its sheet and its paper both say."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from app.errors import TooLarge
from app.models import Claim, ClaimStatus, Fund, Organisation, Site
from app.services import audit, claim_lines, claims
from app.services.access import Actor
from app.services.calendar import ZONE
from app.services.capitals import in_capitals

MOST_LINES = 2_000
"""Sixty visits on every day of a month; a form with more is for nobody to read."""
STATUSES = {
    ClaimStatus.DRAFT: "草稿",
    ClaimStatus.SUBMITTED: "已提交",
    ClaimStatus.REVIEWED: "已审核",
    ClaimStatus.APPROVED: "已批准",
    ClaimStatus.PAID: "已支付",
    ClaimStatus.RETURNED: "已退回",
}
HEADER = (
    "序号",
    "预约编号",
    "支部",
    "活动时间",
    "预约人数",
    "实到人数",
    "阵地确认",
    "支部确认",
    "补助标准",
    "计算",
    "金额（元）",
)
NOTHING = "未确认"


class ClaimTooLong(TooLarge):
    """The claim has more lines than a form takes."""

    zh = "补单明细过多，无法导出"
    detail_en = "at most {limit} lines"
    detail_zh = "最多导出 {limit} 行"


@dataclass(frozen=True)
class FormLine:
    """One row of the table; texts are as they are shown, the amount is fen."""

    number: int
    code: str
    branch: str
    when: str
    expected: int
    attended: int
    received: str
    reviewed: str
    rule: str
    arithmetic: str
    amount_fen: int


@dataclass(frozen=True)
class Form:
    """Everything the form says."""

    title: str
    fund: str
    unit: str
    month: str
    status: str
    voucher: str
    lines: Sequence[FormLine]
    amount_fen: int
    signatures: Sequence[tuple[str, str]]
    """What is signed, and who did so in the system."""

    def capitals(self) -> str:
        """Return the amount in capitals."""
        return in_capitals(self.amount_fen)

    def people(self) -> int:
        """Return how many came in all."""
        return sum(line.attended for line in self.lines)

    def facts(self) -> str:
        """Return the line between title and table."""
        voucher = f"    凭证号：{self.voucher}" if self.voucher else ""
        return f"单位：{self.unit}    月份：{self.month}    状态：{self.status}{voucher}"


def yuan(fen: int) -> str:
    """Return an amount as it is written: `1,234.50`."""
    whole, rest = divmod(fen, 100)
    return f"{whole:,}.{rest:02}"


def export(session: Session, *, actor: Actor, claim_id: UUID, media: str) -> Form:
    """Return a claim as a form; the export is an event of the audit log.

    Args:
        session: open transaction.
        actor: who takes it away.
        claim_id: which.
        media: `xlsx` or `pdf`.

    Raises:
        ClaimNotFound: there is none, or it is not theirs to see.
        ClaimTooLong: it has more than `MOST_LINES` lines.
    """
    claim = claims.get(session, actor=actor, claim_id=claim_id)
    lines = claim_lines.page(session, claim_id=claim.id, limit=MOST_LINES)
    if len(lines) > MOST_LINES:
        raise ClaimTooLong(limit=MOST_LINES)
    site = session.get_one(Site, claim.site_id)
    fund = session.get_one(Fund, claim.fund_id)
    audit.note(
        session,
        action="export",
        noun="claim",
        row_id=claim.id,
        district_id=site.district_id,
        media=media,
        rows=len(lines),
    )
    return Form(
        title=f"{session.get_one(Organisation, fund.organisation_id).name}党员教育阵地补助申领表",
        fund=fund.name,
        unit=site.name,
        month=f"{claim.month.year}年{claim.month.month}月",
        status=STATUSES[ClaimStatus(claim.status)],
        voucher=claim.voucher_number or "",
        lines=[_line(number, line) for number, line in enumerate(lines, 1)],
        amount_fen=claim.amount_fen,
        signatures=_signatures(session, claim),
    )


def _signatures(session: Session, claim: Claim) -> list[tuple[str, str]]:
    names = claim_lines.signed(session, claim=claim)
    deeds = {"制表": "submit", "审核": "review", "批准": "approve"}
    # Money is received by a unit, never by a person: its hand is put there, not the system's.
    return [*((said, names.get(deed, "")) for said, deed in deeds.items()), ("领款", "")]


def _line(number: int, line: claim_lines.Line) -> FormLine:
    return FormLine(
        number=number,
        code=line.code,
        branch=line.organisation_name,
        when=f"{line.starts_at.astimezone(ZONE):%Y-%m-%d %H:%M}",
        expected=line.people_expected,
        attended=line.people_attended,
        received=_word(line.received),
        reviewed=_word(line.reviewed),
        rule=f"{line.rule_code} 第{line.rule_version}版" if line.rule_code else "",
        arithmetic=_sum(line),
        amount_fen=line.amount_fen,
    )


def _word(word: claim_lines.Word | None) -> str:
    return f"{word.name} {word.at.astimezone(ZONE):%m-%d}" if word else NOTHING


def _sum(line: claim_lines.Line) -> str:
    """Say how an amount was reached, where the rule was a base and so much a head."""
    told = line.arithmetic
    if not {"base_fen", "per_head_fen", "heads", "visit_cap_fen"} <= set(told):
        return ""
    return (
        f"{yuan(told['base_fen'])}+{yuan(told['per_head_fen'])}×{told['heads']}人，"
        f"限{yuan(told['visit_cap_fen'])}"
    )
