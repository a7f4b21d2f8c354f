"""Records of studies: a folder with figures and tables, and ``run.json``, from which the study can be run again and compared."""
