"""WeChat: whose mini-program sent a code (小程序登录, `jscode2session`)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from app.channels import asking
from app.errors import DomainError, Forbidden, TooMany, Unauthenticated, Unavailable

LONGEST_OPENID = 128
A_MINUTE = 60
SYSTEM_BUSY = -1
log = structlog.get_logger()


class WechatNotSetUp(Unavailable):
    """Nobody signs in by WeChat here."""

    zh = "本平台尚未开通微信登录"


class WechatUnavailable(Unavailable):
    """WeChat does not answer; try again, or sign in with a password."""

    zh = "微信服务暂不可用，请稍后再试或使用密码登录"


class WechatCodeInvalid(Unauthenticated):
    """The code is unknown, used or too old; ask WeChat for a new one."""

    zh = "微信登录凭证无效或已使用，请重试"


class WechatUserBlocked(Forbidden):
    """WeChat holds this user to be a risk."""

    zh = "该微信用户被微信判定为高风险，无法登录"


class WechatTooMany(TooMany):
    """This user has signed in by WeChat too often in a minute."""

    zh = "微信登录过于频繁，请稍后再试"


# https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
REFUSALS: dict[int, Callable[[], DomainError]] = {
    40029: WechatCodeInvalid,
    40163: WechatCodeInvalid,
    40226: WechatUserBlocked,
    45011: partial(WechatTooMany, retry_after_seconds=A_MINUTE),
}


@dataclass(frozen=True)
class MiniProgram:
    """Our mini-program, as WeChat knows it."""

    app_id: str
    secret: str = field(repr=False)
    url: str


def openid_of(program: MiniProgram, *, code: str) -> str:
    """Return what WeChat calls the user whose `wx.login` gave `code`; the session key is dropped.

    Args:
        program: ours.
        code: good for one use within five minutes.

    Raises:
        WechatCodeInvalid: WeChat says so.
        WechatUserBlocked: WeChat says so.
        WechatTooMany: WeChat says so.
        WechatUnavailable: it does not answer in time or in its own words, or refuses us.
    """
    try:
        answer = asking.patiently(lambda: _ask(program, code))
    except asking.NoAnswer as exc:
        log.warning("wechat-unavailable", reason=str(exc))
        raise WechatUnavailable from None
    fault, openid = answer.get("errcode", 0), answer.get("openid")
    if isinstance(fault, int) and fault in REFUSALS:
        raise REFUSALS[fault]()
    if fault != 0 or not isinstance(openid, str) or not 0 < len(openid) <= LONGEST_OPENID:
        log.error("wechat-refuses-us", errcode=fault)
        raise WechatUnavailable
    return openid


def _ask(program: MiniProgram, code: str) -> asking.Json:
    params = {
        "appid": program.app_id,
        "secret": program.secret,
        "js_code": code,
        "grant_type": "authorization_code",
    }
    answer = asking.get(f"{program.url}/sns/jscode2session", params)
    if answer.get("errcode") == SYSTEM_BUSY:
        raise asking.Passing("WeChat is busy")
    return answer
