"""Tests that run with either transport: `pytestmark = EITHER` in a file, or `@EITHER` at a test that uses `database`."""

import pytest

EITHER = pytest.mark.parametrize("database", ["notify", "wal"], indirect=True)
