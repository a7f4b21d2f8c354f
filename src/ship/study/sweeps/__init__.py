"""Many runs of one function: over a grid of parameters, or in search of the best ones; resumed after a kill, also on a cluster.

Data flow: `source` (the function, and what tells it from another) -> `plan` (the points) -> `pool` (who does them) -> `point`
(one of them, where it is done) -> `journal` (what is done) -> `dataset` (the results, labelled).
"""
