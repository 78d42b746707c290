"""Python runs this first where its folder is in PYTHONPATH: Cayenne then makes and merges files all the time."""

from functools import partial

from headrace.accelerators.cayenne import accelerator
from headrace.accelerators.cayenne.policy import Policy

accelerator.Policy = partial(Policy, flush_rows=600, fan=3, most_rows=20_000, dead_share=0.2, dead_rows=200)
