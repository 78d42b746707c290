"""Errors planted on purpose: if the seeds of the simulation do not notice one, they prove nothing about it.

table      -> the mutants: which text of which module is replaced by what
planted    mutant -> a copy of the sources with the error in it
hunt       sources -> the first seed that fails on them, in a process of its own

``make mutants`` plants each in turn and expects a failure.
"""
