"""What everything else stands on: errors, time, threads, files, random numbers, parameters. Imports nothing of SHIP above it."""
