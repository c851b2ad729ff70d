"""Tests that run with either transport: `pytestmark = EITHER` in a file, or `@EITHER` at a test that uses `database`.

PGTALLY_TRANSPORT selects one.
"""

import os

import pytest

EITHER = pytest.mark.parametrize("database", os.environ.get("PGTALLY_TRANSPORT", "notify,wal").split(","), indirect=True)
