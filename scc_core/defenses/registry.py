"""The registry of defenses."""

from scc_core.components.registry import Registry
from scc_core.defenses.base import Defense

defenses: Registry[type[Defense]] = Registry("defense", "sccbench.defenses")
