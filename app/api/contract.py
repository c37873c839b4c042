"""The contract, to look at and to try."""

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_contract(request: Request) -> HTMLResponse:
    """Show the API; the viewer is built with the pages, so no outside host is asked."""
    return get_swagger_ui_html(
        openapi_url=request.app.openapi_url,
        title=request.app.title,
        swagger_js_url="/contract/swagger-ui-bundle.js",
        swagger_css_url="/contract/swagger-ui.css",
        swagger_favicon_url="/favicon.svg",
    )
