"""The studies of the publication, on real data: each a short file that reads like a methods section, run by ``ship study``."""
