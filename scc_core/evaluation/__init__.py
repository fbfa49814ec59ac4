"""The measurement: attack once, defend many, block by block; the adaptive threat model; the metrics of outcomes."""
