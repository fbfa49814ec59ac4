"""The registry of defenses."""

from scc_core.defenses.base import Defense
from scc_core.registry import Registry

defenses: Registry[type[Defense]] = Registry("defense", "sccbench.defenses")
