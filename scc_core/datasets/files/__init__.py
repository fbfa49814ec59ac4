"""Datasets in files on this machine: the samples, their digests, and the decoding of each image."""
