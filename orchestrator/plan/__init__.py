"""The plan of a run: what is missing, what it costs, how long it takes."""

__all__ = ["changed_code", "device_figures", "effort", "estimate", "plan"]
