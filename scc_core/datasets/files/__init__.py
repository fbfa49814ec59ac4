"""Datasets as files on this machine: their samples, their digests, the decoding of each image."""
