import pytest

from support.sql_server import serving


@pytest.fixture(scope="module")
def module_server():
    with serving() as server:
        yield server


@pytest.fixture
def server(module_server):
    module_server.datasets = [
        {
            "name": "orders",
            "from": "dynamodb:orders_table",
            "engine": "duckdb",
            "status": "Ready",
            "ready": True,
            "live": True,
            "fresh": True,
            "lag_ms": 140,
            "rows": 20_000,
            "dead_letters": 0,
            "columns": 7,
            "schema_changes": 0,
            "last_schema_change": None,
            "waiting_indexes": [],
            "reason": None,
        }
    ]
    module_server.mappings = []
    module_server.not_ready = None
    module_server.cut_off = False
    module_server.statements.clear()
    module_server.refreshed.clear()
    module_server.settled.clear()
    module_server.done = {}
    return module_server
