"""What the pages must know before anything else."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlmodel import select

from app.api.deps import SessionDep
from app.api.router import Router
from app.models import Organisation, OrganisationKind
from app.settings import Env, Settings

router = Router(tags=["system"])


async def get_settings(request: Request) -> Settings:
    """Give what the application was made with."""
    settings: Settings = request.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(get_settings)]


class District(BaseModel):
    """The district at the root of the organisations, by its name on the map."""

    id: UUID
    name: str


class WechatTemplatePublic(BaseModel):
    """A template of the mini-program (订阅消息模板), and the messages that go by it."""

    id: str
    kinds: list[str]


class Config(BaseModel):
    """The district, its base map, and what to ask people's consent for in WeChat.

    Without `tile_url` (an XYZ template) the map is outlines alone. `map_approval_number` is the
    审图号 to show with the tiles. `wechat_templates` is null where no messages go by WeChat.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "district": {
                    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20",
                    "name": "淄川区",
                },
                "tile_url": None,
                "tile_attribution": "",
                "map_approval_number": None,
                "environment": "demo",
                "wechat_templates": None,
            }
        }
    )

    district: District | None
    tile_url: str | None
    tile_attribution: str
    map_approval_number: str | None
    environment: Env
    wechat_templates: list[WechatTemplatePublic] | None


@router.get(
    "/config",
    operation_id="getConfig",
    summary="The district, its base map, and messages in WeChat",
)
def get_config(session: SessionDep, settings: SettingsDep, response: Response) -> Config:
    """Answer what is the same for everybody; `district` is null while there is none."""
    response.headers["Cache-Control"] = "public, max-age=60"
    root = session.exec(
        select(Organisation)
        .where(Organisation.kind == OrganisationKind.DISTRICT)
        .order_by(Organisation.code)
        .limit(1)
    ).first()
    return Config(
        district=District(id=root.id, name=root.place or root.name) if root else None,
        tile_url=settings.tile_url,
        tile_attribution=settings.tile_attribution,
        map_approval_number=settings.map_approval_number,
        environment=settings.env,
        wechat_templates=_templates(settings) or None,
    )


def _templates(settings: Settings) -> list[WechatTemplatePublic]:
    used = settings.wechat_templates or {}
    return [
        WechatTemplatePublic(
            id=template_id,
            kinds=sorted(kind for kind, told in used.items() if told.template == template_id),
        )
        for template_id in sorted(settings.wechat_template_ids)
    ]
