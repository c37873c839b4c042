"""The committed contract is the one served, and tells clients what they need."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

COMMITTED = json.loads(Path("openapi/openapi.json").read_text(encoding="utf-8"))
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in COMMITTED["paths"].items()
    for method, operation in methods.items()
}


def test_contract_is_current(app: FastAPI) -> None:
    assert json.loads(json.dumps(app.openapi())) == COMMITTED, "run `make openapi`"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_is_named_and_told(operation: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", operation["operationId"])
    assert operation["summary"]
    assert operation["description"]


def test_no_two_operations_share_a_name() -> None:
    names = Counter(operation["operationId"] for operation in OPERATIONS.values())
    assert set(names.values()) == {1}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_error_is_a_problem(operation: dict[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        if status >= "400":
            assert set(answer["content"]) == {"application/problem+json"}


def test_the_contract_is_shown_without_any_outside_host(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "/contract/swagger-ui-bundle.js" in page.text
    assert "//" not in page.text.replace("<!-- `SwaggerUIBundle`", "").split("<script>")[0]
