"""Data sets, one file each, and how their files are found or downloaded."""
