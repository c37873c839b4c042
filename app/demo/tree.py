"""The organisation tree: real towns and villages, invented branches of everything else."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import exp
from random import Random

from sqlmodel import Session

from app.demo import sheets
from app.demo.scale import OUTSIDE, Scale, chance
from app.demo.words import listed
from app.models import Organisation, OrganisationKind, Sector
from app.services import organisations
from app.services.organisations import Sapling

K = OrganisationKind
CODE = "370302"
NAME = "中共淄博市淄川区委员会（示例）"
CENTRE = (117.9667, 36.6436)

# Committees, each with the sector of its branches and its share of those that are no village's.
DEPARTMENTS = (
    ("区直机关工委", Sector.GOVERNMENT, 20),
    ("教育和体育局党委", Sector.EDUCATION, 20),
    ("卫生健康局党委", Sector.HEALTH, 10),
    ("两新组织工委", Sector.TWO_NEW, 40),
    ("国有资产管理党委", Sector.STATE_OWNED, 10),
)
_OFFICES = listed("""
    办公室 发展和改革局 工业和信息化局 公安局 民政局 司法局 财政局 人力资源和社会保障局
    自然资源局 住房和城乡建设局 交通运输局 水利局 农业农村局 商务局 文化和旅游局
    退役军人事务局 应急管理局 审计局 市场监督管理局 统计局 医疗保障局 信访局 综合行政执法局
    行政审批服务局 档案馆 总工会 团委 妇联 科协 残联
""")
_PARTS = (
    "机关第一党支部",
    "机关第二党支部",
    "机关第三党支部",
    "离退休干部党支部",
    "事业单位联合党支部",
    "执法大队党支部",
    "服务中心党支部",
    "窗口党支部",
    "项目专班党支部",
)
_SCHOOLS = listed("""
    中心小学 第一中学 第二中学 实验小学 实验中学 中心幼儿园 成人教育学校
""")
_STAFF_ROOMS = ("教工第一党支部", "教工第二党支部", "退休教师党支部")
_WARDS = (
    "门诊党支部",
    "住院党支部",
    "公共卫生党支部",
    "行政后勤党支部",
    "护理党支部",
    "中医党支部",
    "家庭医生党支部",
)
_TRADE_NAMES = listed("""
    般阳 孝水 聊斋 柳泉 昆仑 青云 齐鑫 鲁泽 恒润 天成 金岭 汇丰源 博远 嘉禾 瑞通 宏景 福瓷
    众合
""")
_TRADES = listed("""
    陶瓷 建材 机械 新材料 物流 纺织 食品 电子商务 泵业 耐材 医药 包装 园林 家政 律师事务所
    幼教 物业 商贸 环保 装饰 餐饮 农业合作社 快递 汽车服务 会计师事务所 养老服务 社工服务 软件
    化工 琉璃 印刷
""")
_STATE_OWNED = listed("""
    城建投资 公共交通 供水 热力 粮食储备 文旅发展 矿业服务 农业发展 环卫 园区运营
""")
_COMPANY_PARTS = (
    "机关党支部",
    *(f"第{n}党支部" for n in "一二三四五六七八九十"),
    "项目部党支部",
    "窗口党支部",
    "退休党支部",
)
_ABROAD = (
    ("张店区示例街道社区党支部", Sector.URBAN),
    ("博山区示例镇中学党支部", Sector.EDUCATION),
    ("周村区示例纺织公司党支部", Sector.TWO_NEW),
    ("临淄区示例村党支部", Sector.RURAL),
    ("章丘区示例机关党支部", Sector.GOVERNMENT),
    ("高新区示例医院党支部", Sector.HEALTH),
)


@dataclass(frozen=True)
class Tree:
    """What was planted; `towns` by code, branches in the order of planting."""

    district: Organisation
    towns: dict[str, Organisation]
    branches: list[Organisation]
    outside: list[Organisation]


def plant(session: Session, *, seed: int, scale: Scale) -> Tree:
    """Plant the whole tree: committees, then branches by the thousand."""
    luck = chance(seed, "tree")
    district = organisations.create(
        session,
        name=NAME,
        code=CODE,
        kind=K.DISTRICT,
        parent=None,
        location=CENTRE,
        place="淄川区",
    )
    towns = _towns(session, district)
    departments = [
        (
            sector,
            organisations.create(
                session, name=name, code=f"{CODE}D{n:02}", kind=K.DEPARTMENT, parent=district
            ),
        )
        for n, (name, sector, _) in enumerate(DEPARTMENTS, 1)
    ]
    saplings = list(_villages(towns, luck, most=scale.branches // 2))
    saplings += _others(towns, departments, luck, scale.branches - len(saplings))
    branches = organisations.create_many(session, saplings=saplings)
    outside = organisations.create_many(session, saplings=_outside(district, luck))
    return Tree(district, towns, branches, outside)


def _towns(session: Session, district: Organisation) -> dict[str, Organisation]:
    return {
        town.code: organisations.create(
            session,
            name=f"{town.name}党{'工委' if town.name.endswith('街道') else '委'}",
            code=town.code,
            kind=K.TOWN,
            parent=district,
            location=town.label,
            place=town.name,
        )
        for town in sheets.towns()
    }


def _members(luck: Random) -> int:
    """Draw the size of a branch: 31 on average, few above 80."""
    return min(max(round(exp(luck.gauss(3.3, 0.5))), 5), 120)


def _villages(towns: dict[str, Organisation], luck: Random, *, most: int) -> Iterator[Sapling]:
    chosen = sheets.villages()
    if most < len(chosen):  # a small demonstration: the first few of every town
        each = most // len(towns)
        chosen = [
            village
            for code in towns
            for village in islice((v for v in chosen if v.town_code == code), each)
        ]
    for village in chosen:
        yield Sapling(
            name=f"{village.short_name}党支部",
            code=village.code,
            kind=K.BRANCH,
            parent=towns[village.town_code],
            sector=Sector.URBAN if village.is_urban else Sector.RURAL,
            member_count=_members(luck),
        )


def _others(
    towns: dict[str, Organisation],
    departments: list[tuple[Sector, Organisation]],
    luck: Random,
    wanted: int,
) -> list[Sapling]:
    """Return `wanted` branches that are no village's: in town offices, then in departments."""
    offices = [
        (town, f"{town.name.split('党')[0]}{part}")
        for town in towns.values()
        for part in ("机关党支部", "综合执法中队党支部")
    ][: wanted // 3]
    saplings = [
        _sapling(parent, name, f"{parent.code}X{n:03}", Sector.GOVERNMENT, luck)
        for n, (parent, name) in enumerate(offices, 1)
    ]
    left = wanted - len(saplings)
    for (sector, parent), (_, _, share) in zip(departments, DEPARTMENTS, strict=True):
        many = left * share // 100
        if sector == Sector.STATE_OWNED:  # the last takes what rounding left over
            many = wanted - len(saplings)
        names = _names(sector)[:many]
        saplings += [
            _sapling(parent, name, f"{parent.code}-{n:04}", sector, luck)
            for n, name in enumerate(names, 1)
        ]
    return saplings


def _sapling(parent: Organisation, name: str, code: str, sector: Sector, luck: Random) -> Sapling:
    return Sapling(
        name=name,
        code=code,
        kind=K.BRANCH,
        parent=parent,
        sector=sector,
        member_count=_members(luck),
    )


def _names(sector: Sector) -> list[str]:
    """Return names of branches of a sector, no two alike, more than any scale asks for."""
    town_names = [town.name.removesuffix("街道").removesuffix("镇") for town in sheets.towns()]
    match sector:
        case Sector.GOVERNMENT:
            return [f"区{office}{part}" for part in _PARTS for office in _OFFICES]
        case Sector.EDUCATION:
            schools = [f"{town}{school}" for school in _SCHOOLS for town in town_names]
            return [f"{school}{room}" for room in _STAFF_ROOMS for school in schools]
        case Sector.HEALTH:
            wards = [f"{town}卫生院{ward}" for ward in _WARDS for town in town_names]
            return wards + [f"区医院第{n}病区党支部" for n in range(1, 61)]
        case Sector.TWO_NEW:
            return [f"{name}{trade}党支部" for trade in _TRADES for name in _TRADE_NAMES]
        case _:
            return [f"淄川{a}公司{b}" for b in _COMPANY_PARTS for a in _STATE_OWNED]


def _outside(district: Organisation, luck: Random) -> Iterator[Sapling]:
    for n, (name, sector) in enumerate(_ABROAD[:OUTSIDE], 1):
        yield Sapling(
            name=name,
            code=f"{CODE}OUT{n}",
            kind=K.BRANCH,
            parent=district,
            sector=sector,
            member_count=_members(luck),
            outside=True,
        )
