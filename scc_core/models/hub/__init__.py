"""The model hub: its cache on this machine, and downloads into it."""
