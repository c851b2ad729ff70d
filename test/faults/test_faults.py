"""Checks the promise under faults. See README.md.

PGTALLY_FAULTS_SECONDS: the duration (50). PGTALLY_SEED: the seed; by default a new one. PGTALLY_FAULTS_ONLY: names of
faults, separated by commas. PGTALLY_TRANSPORT: notify, wal or mixed (mixed).
"""

import os
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import transports  # noqa: E402
from referee import LONG_RUN, Referee, prepare  # noqa: E402
from stage import Stage, Wrong  # noqa: E402

SECONDS = float(os.environ.get("PGTALLY_FAULTS_SECONDS") or 50)
SEED = int(os.environ.get("PGTALLY_SEED") or random.SystemRandom().randrange(10**9))
TRANSPORT = os.environ.get("PGTALLY_TRANSPORT") or "mixed"
ONLY = [name for name in os.environ.get("PGTALLY_FAULTS_ONLY", "").split(",") if name]


def test_everything_equals_the_truth_whatever_went_wrong(cluster, database, tmp_path, capsys):
    with capsys.disabled():
        print(f"\nseed {SEED}, {SECONDS:.0f} s, transport {TRANSPORT}", flush=True)
        chance = random.Random(SEED)
        prepare(database, TRANSPORT, chance)
        # Only by wal positions are the same on every server.
        stage = Stage(cluster, database, tmp_path, servers=2 if "wal" in transports.MODES[TRANSPORT] else 1)
        referee = Referee(stage, chance, TRANSPORT, ONLY, long=SECONDS > LONG_RUN)
        wrong = None
        try:
            referee.run(SECONDS)
        except Wrong as found:
            wrong = f"seed {SEED}, after {stage.seconds():.1f} s: {found}\n{stage.report()}"
        finally:
            referee.close()
            stage.close()
    if wrong:
        pytest.fail(wrong, pytrace=False)
