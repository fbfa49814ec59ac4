"""Every model that open_clip loads: CLIP, SigLIP, BiomedCLIP and their kin."""
