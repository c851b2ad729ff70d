"""Checks the promise under faults. See README.md.

PGTALLY_FAULTS_SECONDS: the duration (60). PGTALLY_SEED: the seed; by default a new one. PGTALLY_FAULTS_ONLY: names of
faults, separated by commas.
"""

import os
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from referee import Referee, prepare  # noqa: E402
from stage import Stage, Wrong  # noqa: E402

SECONDS = float(os.environ.get("PGTALLY_FAULTS_SECONDS") or 60)
SEED = int(os.environ.get("PGTALLY_SEED") or random.SystemRandom().randrange(10**9))
ONLY = [name for name in os.environ.get("PGTALLY_FAULTS_ONLY", "").split(",") if name]


def test_everything_equals_the_truth_whatever_went_wrong(cluster, database, tmp_path, capsys):
    with capsys.disabled():
        print(f"\nseed {SEED}, {SECONDS:.0f} s", flush=True)
        prepare(database)
        chance = random.Random(SEED)
        stage = Stage(cluster, database, tmp_path / "serve.log")
        referee = Referee(stage, chance, ONLY, bulks=SECONDS > 100)
        wrong = None
        try:
            referee.run(SECONDS)
        except Wrong as found:
            wrong = f"seed {SEED}, after {stage.seconds():.1f} s: {found}\n{stage.report()}"
        finally:
            referee.close()
            stage.program.go_on()
            stage.program.process.kill()
            stage.close()
    if wrong:
        pytest.fail(wrong, pytrace=False)
