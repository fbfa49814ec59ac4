"""Datasets brought onto this machine: downloaded, checked, unpacked."""
