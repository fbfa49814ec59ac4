"""One writer: results go to the database, or wait on this machine's disk while it is away."""

__all__ = ["driver_lock", "reconnect", "spool", "writer"]
