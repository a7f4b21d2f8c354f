"""The execution of networks in time: signals between groups, the reference engine and the compiled engine."""
