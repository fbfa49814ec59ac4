"""Writing results: to the database, or to this machine's disk while the database is down."""

__all__ = ["driver_lock", "reconnect", "spool", "writer"]
