"""``outbox``: events about every change of a table, for whoever wants to know of them.

occurrence    record        -> what happened
cloudevents, nakadi         -> Event, the same bytes whenever its record comes again
target        batch         -> events in the order of their items, what was not taken reported
webhook, lines, messages    -> requests, lines of a file, messages
"""

from headrace.targets.outbox.opening import opened

__all__ = ["opened"]
