"""The studies that come with SHIP, one file each: ``ship study`` lists them, ``ship study NAME`` runs one.

A file here reads like the methods section of a paper; machinery belongs into `ship.study` and `ship.data`.
"""
