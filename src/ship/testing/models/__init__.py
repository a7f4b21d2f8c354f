"""The checks of a model, one file for each kind of question."""
