"""The studies of the publication, on real data: each a short file that reads like a methods section, run by ``ship study``.

A file here is found by its name; the first paragraph of its docstring is its line in the list that ``ship study`` prints.
"""
