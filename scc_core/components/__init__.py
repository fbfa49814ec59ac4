"""Attacks and defenses as components: their parameters, the registries that name them, the choices of a grid."""
