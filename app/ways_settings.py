"""What the environment decides about the ways out to people."""

from enum import StrEnum
from string import Formatter
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import BaseSettings


class MiniProgramState(StrEnum):
    """Which build of the mini-program a message opens: 开发版, 体验版, 正式版."""

    DEVELOPER = "developer"
    TRIAL = "trial"
    FORMAL = "formal"


class SmtpSecurity(StrEnum):
    """How a connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class WecomKind(StrEnum):
    """What a group's robot says; markdown is not shown to who reads the group in WeChat."""

    MARKDOWN = "markdown"
    TEXT = "text"


def _gaps(text: str) -> str:
    for _, name, form, conversion in Formatter().parse(text):
        if name is not None and not (name.isidentifier() and not form and conversion is None):
            raise ValueError("write gaps as {name}, with nothing else between the braces")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username is not None:
        raise ValueError("write it as https://host/path, without a name or password")
    return text.rstrip("/")


class Table(dict[Any, Any]):
    """A JSON object that nobody changes: what is made of settings is known by their hash."""

    def __hash__(self) -> int:  # type: ignore[override]
        """Follow from what is in it, in any order."""
        return hash(frozenset(self.items()))


Gaps = Annotated[str, AfterValidator(_gaps)]
"""Text with gaps, `{site}`, for the facts of a message and its `title`, `body` and `url`."""
Url = Annotated[str, AfterValidator(_url)]
FieldName = Annotated[
    str,
    StringConstraints(
        pattern=r"^(thing|phrase|character_string|time|date|name|number|letter)[0-9]{1,2}$"
    ),
]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z]+)*$")]
TemplateId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Mailbox = Annotated[
    str,
    StringConstraints(
        max_length=254,
        pattern=r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
        r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
    ),
]


class WechatTemplate(BaseModel):
    """How a kind of message is told by a template (订阅消息模板) of the mini-program."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    template: TemplateId
    fields: Annotated[
        dict[FieldName, Gaps], Field(min_length=1, max_length=20), AfterValidator(Table)
    ]
    page: Gaps | None = None


class WaySettings(BaseSettings):
    """Every knob of the ways out; what is named by half is refused.

    Raises:
        ValueError: a way has some of its settings and lacks others.
    """

    wechat_app_id: str | None = Field(
        default=None, description="the mini-program's; without it, nobody signs in by WeChat"
    )
    wechat_app_secret: SecretStr | None = None
    wechat_api_url: Url = "https://api.weixin.qq.com"
    wechat_templates: Json[Annotated[dict[Kind, WechatTemplate], AfterValidator(Table)]] | None = (
        Field(
            default=None, description="which message goes by which template; without it, none does"
        )
    )
    wechat_program_state: MiniProgramState = MiniProgramState.FORMAL
    sms_url: Url | None = Field(
        default=None, description="of the SMS gateway; without it, nothing goes by SMS"
    )
    sms_key: str | None = Field(default=None, pattern=r"^[!-~]+$")
    sms_secret: SecretStr | None = None
    sms_sign_name: str | None = Field(default=None, min_length=2, max_length=20)
    sms_templates: Json[Annotated[dict[Kind, str], AfterValidator(Table)]] | None = None
    smtp_host: str | None = Field(
        default=None, description="the mail server; without it, nothing goes by e-mail"
    )
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: SmtpSecurity = SmtpSecurity.STARTTLS
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    email_from: Mailbox | None = None
    wecom_url: Url | None = Field(
        default=None, description="where WeCom's robots listen; without it, nothing goes there"
    )
    wecom_kind: WecomKind = WecomKind.MARKDOWN

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.wechat_templates:
            self._together("wechat_templates", "wechat_app_id", "wechat_app_secret")
        for names in (
            ("sms_url", "sms_key", "sms_secret", "sms_sign_name"),
            ("smtp_host", "email_from"),
            ("smtp_user", "smtp_password"),
        ):
            if any(self._said(name) for name in names):
                self._together(*names)
        for name, needed in (("sms_templates", "sms_url"), ("smtp_user", "smtp_host")):
            if self._said(name):
                self._together(name, needed)
        return self

    @property
    def wechat_template_ids(self) -> frozenset[str]:
        """Say which templates of the mini-program are in use."""
        return frozenset(told.template for told in (self.wechat_templates or {}).values())

    def _said(self, name: str) -> bool:
        value = getattr(self, name)
        return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)

    def _together(self, *names: str) -> None:
        missing = [f"APP_{name.upper()}" for name in names if not self._said(name)]
        given = [f"APP_{name.upper()}" for name in names if self._said(name)]
        if missing:
            raise ValueError(f"Set {', '.join(missing)} too, or {', '.join(given)} neither.")

    def ways_are_safe(self) -> None:
        """Refuse ways on which somebody could listen.

        Raises:
            ValueError: a provider's address is no https, or mail goes in clear.
        """
        for name in ("wechat_api_url", "sms_url", "wecom_url"):
            if not (getattr(self, name) or "https:").startswith("https:"):
                raise ValueError(f"Set APP_{name.upper()} to an address that begins with https://.")
        if self.smtp_host and self.smtp_security is SmtpSecurity.NONE:
            raise ValueError("Set APP_SMTP_SECURITY to starttls or tls.")
