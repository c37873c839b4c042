"""Everything that can go wrong for a reason the caller can act upon.

DomainError
├── Malformed         the request cannot be meant
├── Unreadable        the same, where a standard asks for it by another status
├── Unauthenticated   who are you
├── Forbidden         not you
├── NotFound          no such thing, or not for you to see
├── Conflict          the rules, as things stand, say no
├── Stale             it has changed since you looked
├── TooLarge          more than is taken at once
├── TooMany           slow down
└── Unavailable       not now, try again
"""

import re
from typing import ClassVar


class DomainError(Exception):
    """The request cannot be carried out.

    The first docstring line is the English title and `zh` the Chinese one. `detail_en` and
    `detail_zh` tell this occurrence; they are filled in with the facts, which also become members
    of the answer.
    """

    zh: ClassVar[str] = "请求无法完成"
    detail_en: ClassVar[str] = ""
    detail_zh: ClassVar[str] = ""

    def __init__(self, **facts: object) -> None:
        super().__init__(self.title("en"))
        self.facts = facts

    @classmethod
    def title(cls, language: str) -> str:
        """Say what kind of refusal this is, in `zh` or `en`."""
        if language == "zh":
            return cls.zh
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")

    def detail(self, language: str) -> str:
        """Say what happened this time, in `zh` or `en`."""
        template = self.detail_zh if language == "zh" else self.detail_en
        return template.format(**self.facts) if template else self.title(language)

    @classmethod
    def slug(cls) -> str:
        """Stable public name: `SessionFull` -> `session-full`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


class Malformed(DomainError):
    """The request cannot be meant as written."""

    zh = "请求内容有误"


class Unreadable(DomainError):
    """The request is not one of the standard that is spoken here."""

    zh = "请求不符合接口标准"


class Unauthenticated(DomainError):
    """Sign in first."""

    zh = "请先登录"


class Forbidden(DomainError):
    """You may not do this."""

    zh = "您无权执行此操作"


class NotFound(DomainError):
    """There is no such thing, or it is not yours to see."""

    zh = "未找到"


class Conflict(DomainError):
    """The rules, as things stand, do not allow this."""

    zh = "当前规则不允许此操作"


class Stale(DomainError):
    """It has changed since you looked; read it again."""

    zh = "内容已被他人修改，请刷新后重试"


class TooLarge(DomainError):
    """The request is larger than is taken."""

    zh = "请求内容过大"


class TooMany(DomainError):
    """Too many requests; wait a while.

    The fact `retry_after_seconds` says how long.
    """

    zh = "请求过于频繁，请稍后再试"


class Unavailable(DomainError):
    """The service cannot answer just now; try again."""

    zh = "服务繁忙，请稍后再试"
