"""Deterministic simulation of one dataset: one seed decides everything that happens to it.

scenario   seed       -> what there is, what is written, what goes wrong, and how often
workload   scenario   -> writes to the simulated table, and the model of what is true
runner     scenario   -> the machine, its requests and their answers, one event at a time
engines    commits    -> rows that outlive a crash, whole or cut
checks     events     -> Broken, at the first moment at which a promise is
world      scenario   -> Outcome: everything together
shrink     Outcome    -> the least of it that still fails
table      Outcomes   -> how often each thing happened

``python -m support.simulation --help`` (in ``tests``) runs seeds; ``make simulate`` calls it.
"""
