"""The scheduler: a queue of shards, a pool of workers, and what both know of devices and of other drivers."""

__all__ = ["device_speeds", "leases", "scheduler", "task_queue"]
