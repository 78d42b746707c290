"""The seeds are only worth what they notice: every planted error must be caught by one."""

import pytest

from support.mutants.__main__ import SEEDS
from support.mutants.hunt import hunt
from support.mutants.planted import plant
from support.mutants.table import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_planted_error_fits_the_sources(mutant, tmp_path):
    planted = plant(mutant, tmp_path)
    for edit in mutant.edits:
        source = (planted / "headrace" / edit.module).read_text()
        assert edit.new in source
        compile(source, edit.module, "exec")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_planted_error_is_caught_by_a_seed(mutant):
    catch = hunt(mutant, 0, SEEDS)
    assert catch.caught, catch.message
