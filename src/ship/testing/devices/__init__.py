"""The checks of a part of a device, one file for each kind of question."""
