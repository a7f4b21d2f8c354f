"""The network, and what a run of it takes, keeps, needs and costs."""
