"""Which ways out there are, by the settings."""

from app.channels.email import Email
from app.channels.sending import Channel
from app.channels.sms import Sms
from app.channels.tokens import TokenStore
from app.channels.wechat import MiniProgram
from app.channels.wechat_messages import Consents, WechatMessages
from app.channels.wecom import Wecom
from app.settings import Settings


def channels_of(
    settings: Settings, *, tokens: TokenStore, consents: Consents
) -> dict[str, Channel]:
    """Return the ways out that are set up, by name: `wechat`, `sms`, `email`, `wecom`.

    Args:
        settings: what the environment decides; a way set up by half is refused there.
        tokens: where tokens of providers are shared.
        consents: what people agreed to in WeChat.
    """
    found = {
        "wechat": _wechat(settings, tokens, consents),
        "sms": _sms(settings),
        "email": _email(settings),
        "wecom": Wecom(settings.wecom_url, settings.wecom_kind) if settings.wecom_url else None,
    }
    return {name: channel for name, channel in found.items() if channel is not None}


def _wechat(settings: Settings, tokens: TokenStore, consents: Consents) -> Channel | None:
    app_id, secret = settings.wechat_app_id, settings.wechat_app_secret
    if not (settings.wechat_templates and app_id and secret):
        return None
    program = MiniProgram(app_id, secret.get_secret_value(), settings.wechat_api_url)
    state = settings.wechat_program_state
    return WechatMessages(program, settings.wechat_templates, state, tokens, consents)


def _sms(settings: Settings) -> Channel | None:
    url, key, secret = settings.sms_url, settings.sms_key, settings.sms_secret
    if not (url and key and secret and settings.sms_sign_name):
        return None
    templates = settings.sms_templates or {}
    return Sms(url, key, secret.get_secret_value(), settings.sms_sign_name, templates)


def _email(settings: Settings) -> Channel | None:
    host, sender = settings.smtp_host, settings.email_from
    if not (host and sender):
        return None
    login = None
    if settings.smtp_user and settings.smtp_password:
        login = (settings.smtp_user, settings.smtp_password.get_secret_value())
    return Email(host, settings.smtp_port, settings.smtp_security, login, sender)
