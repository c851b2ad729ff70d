import pytest

from clean_debian import Debian


@pytest.fixture(scope="module")
def debian():
    return Debian()
