"""What attacks are built from: losses, steps and projections in each norm, and runs on the images that survive."""
