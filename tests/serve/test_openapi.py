"""The OpenAPI document holds every route, and says whether a key is needed."""

from starlette.routing import Route

from headrace.access import Access, ApiKey
from headrace.dataset import Secret
from headrace.serve.http import app
from headrace.serve.openapi import openapi
from support.serving import SmallSystem, served

OPEN = Access(insecure=True)


def test_every_route_is_in_the_document_and_nothing_else():
    interface = app(SmallSystem(), OPEN)._application
    routes = {
        (route.path.replace(":path", ""), method.lower())
        for route in interface.routes
        if isinstance(route, Route)
        for method in route.methods - {"HEAD"}
    }
    paths = openapi(authenticates=False)["paths"]
    assert routes == {(path, method) for path, methods in paths.items() for method in methods}


def test_the_document_says_whether_a_key_is_needed():
    assert "security" not in openapi(authenticates=False)
    keys = Access((ApiKey(Secret("0123456789abcdef")),))
    with served(SmallSystem(), keys) as call:
        assert call("GET", "/v1/openapi.json").status == 401
        described = call("GET", "/v1/openapi.json", headers={"X-API-Key": "0123456789abcdef"}).json()
    assert described["security"] == [{"key": []}, {"bearer": []}]
    for path, methods in described["paths"].items():
        for operation in methods.values():
            assert ("security" in operation) == (path in ("/health", "/v1/ready"))
