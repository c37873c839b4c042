"""Figures for everybody."""

from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from app.api.caching import NOT_MODIFIED, IfNoneMatch, answer
from app.api.deps import NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.api.statistics import KeyPublic
from app.services import public_figures
from app.services.calendar import local_date
from app.services.public_figures import By, DistrictNotFound

router = Router(prefix="/statistics/public", tags=["statistics"])


class FiguresPublic(BaseModel):
    """Visits, people who came, and sites that were visited."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    visits: int
    people: int
    sites: int


class FigureCell(BaseModel):
    """The figures of one key."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    key: KeyPublic
    figures: FiguresPublic


class PublishedFigures(BaseModel):
    """The months of a year before `until` that are over, as published last night.

    A site counts in the months in which at least three branches came to it, so totals are those of
    the cells and somewhat less than what happened.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "until": "2026-11-01",
                "cells": [
                    {
                        "key": {"id": "2026-10", "name": "2026-10"},
                        "figures": {"visits": 42, "people": 1260, "sites": 9},
                    }
                ],
                "totals": {"visits": 42, "people": 1260, "sites": 9},
            }
        },
    )

    until: date
    cells: list[FigureCell]
    totals: FiguresPublic


@router.get(
    "",
    operation_id="getPublicFigures",
    summary="How much sites were visited, for everybody",
    response_class=JSONResponse,
    responses={200: {"model": PublishedFigures}, **NOT_MODIFIED, **problems(DistrictNotFound)},
)
def get_public_figures(
    session: SessionDep,
    now: NowDep,
    district_id: UUID | None = None,
    year: Annotated[int | None, Query(ge=2000, le=2100, description="Else this year")] = None,
    group_by: By = By.MONTH,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer what was published of a year, of one district or of all."""
    found = public_figures.figures(
        session,
        district_id=district_id,
        year=year or local_date(now).year,
        by=group_by,
        now=now,
    )
    return answer(
        PublishedFigures.model_validate(found).model_dump_json(),
        if_none_match=if_none_match,
        cache_control="public, max-age=600",
        media_type="application/json",
    )
