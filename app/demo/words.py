"""Invented people and what they write."""

from random import Random


def listed(words: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(words.split())


_FAMILIES = "王李张刘陈杨孙赵周徐马朱胡郭高林何罗郑宋谢唐许邓冯韩曹曾彭萧蔡潘田董袁于余"
_GIVEN = listed("""
    建国 秀英 志强 丽华 海燕 文博 玉兰 晓东 春梅 国庆 淑芬 伟 敏 静 磊 芳 勇 艳 涛 明 超 霞 平
    刚 桂英 立新 永胜 红梅 振华 雪琴 家栋 思远 佳宁 子涵 俊杰 雅琪 浩然 欣怡 宗元 兆林 继红
    传家 安邦 守信 长河 凤霞
""")

REJECTED = (
    "当日已安排上级调研接待，请改约其他场次",
    "讲解员外出培训，暂无法接待，请改约",
    "展厅设备检修，当日不能开放",
    "人数超出安全接待能力，建议分两批预约",
)
CANCELLED = (
    "单位临时有紧急任务，改期再约",
    "支部活动时间调整",
    "天气原因，老党员出行不便",
    "与上级会议时间冲突",
    "车辆未能落实，取消本次活动",
)
CLOSED = ("展陈更新", "消防设施检测", "线路检修", "承办区级会议")
RETURNED = ("参加人数与签到记录不一致，请核对后重新提交", "请补充活动照片以外的佐证说明")
NOTES = (
    "请安排一名讲解员",
    "有两位老党员行动不便，需无障碍通道",
    "自带党旗，需借用宣誓词展板",
    "乘坐一辆大巴，请预留停车位",
    "希望安排微党课",
)

_GOOD = (
    "讲解生动，党员们深受教育。",
    "案例贴近支部工作，学了就能用。",
    "内容扎实，现场气氛庄重。",
    "实训步骤清楚，角色分工明确。",
    "重温誓词环节很有仪式感。",
    "比在会议室念文件强多了。",
    "老党员听得热泪盈眶。",
    "主题突出，时间安排紧凑。",
)
_RECEPTION = (
    "接待热情周到。",
    "工作人员提前联系，准备充分。",
    "到场即有人引导。",
    "讲解员很有耐心。",
    "停车有人指挥。",
    "",
    "",
)
_WISHES = (
    "建议增加互动环节。",
    "希望多开周末场次。",
    "音响稍有杂音。",
    "停车位偏紧。",
    "洗手间指示可以再明显些。",
    "下次还来。",
    "推荐给兄弟支部。",
    "",
    "",
    "",
)


def person(luck: Random) -> str:
    """Return the name of somebody who does not exist."""
    return luck.choice(_FAMILIES) + luck.choice(_GIVEN)


def opinion(luck: Random) -> str:
    """Return what a branch writes after a visit."""
    return luck.choice(_GOOD) + luck.choice(_RECEPTION) + luck.choice(_WISHES)
