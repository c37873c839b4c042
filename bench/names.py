"""Chinese names that look like those of real places, by chance."""

from random import Random

from app.models import Category, SiteKind

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_FIRST = "太永东西南北新大长平安兴龙凤金石清青白红双三高上下中和文武云泉松柏梅桃杏柳竹"
_SECOND = "和平安兴山河溪桥坪坝塘湖岭峰台城阳关口泉园林田湾岗庙寺店集埠洲原川水龙凤"
_VILLAGES = ("家庄", "家村", "家沟", "家湾", "家坡", "家屯", "家岭", "家店", "家营", "家寨")
_RESIDENCES = ("花园", "新苑", "佳园", "家园", "明珠", "嘉苑", "春城", "世纪城", "阳光", "锦绣")
_PARKS = ("软件园", "科技园", "产业园", "物流园", "商贸城", "步行街", "电商园", "创新港")
_HEROES = (
    "铁道游击队",
    "老山前线",
    "百团大战",
    "渡江战役",
    "长征",
    "抗联",
    "赵一曼",
    "杨靖宇",
    "焦裕禄",
)
_TOPICS = ("革命", "抗战", "红军", "支前", "农运", "地下交通站", "兵工厂", "八路军")

_RURAL = ("党群服务中心", "党群服务中心", "党群服务中心", "党建示范点", "初心学堂", "红色文化大院")
_URBAN = ("党群服务中心", "党群服务中心", "党群服务中心", "党建广场", "红色驿站", "党员活动中心")
_TWO_NEW = ("党群服务中心", "党群服务中心", "党建工作站", "“两新”党建示范点", "先锋驿站")
_GENERAL = (
    "纪念馆",
    "旧址",
    "教育基地",
    "红色教育基地",
    "党性教育基地",
    "烈士陵园",
    "展览馆",
    "实训基地",
)

_KINDS: dict[str, tuple[SiteKind, ...]] = {
    "服务中心": (SiteKind.SERVICE_CENTRE,),
    "示范点": (SiteKind.DEMONSTRATION_SITE,),
    "基地": (SiteKind.EDUCATION_BASE, SiteKind.TRAINING_BASE),
}


def place(luck: Random) -> str:
    """Return two characters that could name a town."""
    return luck.choice(_FIRST) + luck.choice(_SECOND)


def person(luck: Random) -> str:
    """Return a name for somebody."""
    return luck.choice(_SURNAMES) + place(luck)


def site(luck: Random, category: Category, town: str) -> str:
    """Return a name for a site of this category in this town."""
    match category:
        case Category.RURAL:
            return f"{town}{luck.choice(_SURNAMES)}{luck.choice(_VILLAGES)}{luck.choice(_RURAL)}"
        case Category.URBAN:
            return f"{place(luck)}{luck.choice(_RESIDENCES)}社区{luck.choice(_URBAN)}"
        case Category.TWO_NEW:
            return f"{place(luck)}{luck.choice(_PARKS)}{luck.choice(_TWO_NEW)}"
        case Category.GENERAL:
            about = luck.choice((place(luck), luck.choice(_HEROES), person(luck)))
            return f"{town}{about}{luck.choice(_TOPICS)}{luck.choice(_GENERAL)}"


def kinds(name: str) -> list[str]:
    """Return what a site of this name is."""
    found = [kind for ending, all_of_it in _KINDS.items() if ending in name for kind in all_of_it]
    return [str(kind) for kind in found or (SiteKind.PARTY_SCHOOL_POINT,)]
