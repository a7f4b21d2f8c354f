"""Laws that were measured on one material: HfO2, phase-change memory, CMO/HfOx and others."""
