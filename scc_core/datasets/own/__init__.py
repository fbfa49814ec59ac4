"""The user's own data, by address: ``folder:PATH`` and ``webdataset:PATH_OR_URL``."""
