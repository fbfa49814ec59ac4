"""Differentiable image transformations that several defenses use: geometric warps and AugMix views."""
