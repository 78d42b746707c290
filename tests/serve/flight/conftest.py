import pytest

from support.flying import flown
from support.serving import SmallSystem


@pytest.fixture
def system():
    return SmallSystem()


@pytest.fixture
def flying(system):
    with flown(system) as flying:
        yield flying


@pytest.fixture(scope="module")
def shared():
    """For tests that change nothing."""
    with flown(SmallSystem()) as flying:
        yield flying


@pytest.fixture
def cursor(shared):
    with shared.adbc() as connection, connection.cursor() as cursor:
        yield cursor
