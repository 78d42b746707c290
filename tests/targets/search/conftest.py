import pytest

from support.search import Cluster, served_search


@pytest.fixture(scope="session")
def search_server():
    with served_search() as server:
        yield server


@pytest.fixture
def cluster(search_server):
    with search_server.clone() as clone:
        yield Cluster(clone.url)
