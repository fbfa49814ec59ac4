"""The scheduler: a queue of shards, a pool of workers, the speeds of devices, and leases between drivers."""

__all__ = ["device_speeds", "lease_manager", "leases", "scheduler", "task_queue", "worker_pool"]
