"""Validity badges: reasons to doubt a number, each found by a rule over the stored results.

A badge says that a result has a property that flawed evaluations have; it does not say that the result is wrong. Two
accuracies are compared on the same samples, by the exact McNemar test.

A badge belongs to a cell. The rules look at all measurements of the cell and of the cells that it is compared with,
whichever run made them: a later run with Square may give a badge to an older PGD result, and a second seed removes
``one draw``.
"""

from orchestrator.results.badges.table import BADGES, Badge
from orchestrator.results.badges.update import update_badges

__all__ = ["BADGES", "Badge", "update_badges"]
