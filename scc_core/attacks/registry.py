"""The registry of attacks."""

from scc_core.attacks.base import Attack
from scc_core.components.registry import Registry

attacks: Registry[type[Attack]] = Registry("attack", "sccbench.attacks")
