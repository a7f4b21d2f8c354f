"""Published devices whose laws were measured on one material: HfO2, PCM, CMO/HfOx and others."""
