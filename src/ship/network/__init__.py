"""The network: an empty one, `add` groups, `init`, `run`; and what a run takes, keeps, needs and costs."""
