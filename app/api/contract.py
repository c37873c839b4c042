"""The contract, to look at and to try."""

from html import escape

from fastapi import Request
from starlette.responses import HTMLResponse

from app.api.headers import policy_of_pages
from app.api.router import Router

router = Router(include_in_schema=False)

PAGE = """\
<!doctype html>
<html lang="zh-CN">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{title}</title>
    <link rel="icon" type="image/svg+xml" href="/favicon.svg">
    <link rel="stylesheet" href="/contract/swagger-ui.css">
  </head>
  <body>
    <div id="contract" data-url="{url}"></div>
    <script src="/contract/swagger-ui-bundle.js"></script>
    <script src="/contract/viewer.js"></script>
  </body>
</html>
"""


@router.get("/docs")
async def show_contract(request: Request) -> HTMLResponse:
    """Show the API; the viewer is built with the pages, so no outside host is asked."""
    page = PAGE.format(title=escape(request.app.title), url=escape(request.app.openapi_url))
    policy = policy_of_pages(request.app.state.settings)
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})
