"""How tests ask whether a planted fault was found, and named by the check that is about it."""

from __future__ import annotations

QUICK = ("engines",)  # compiles kernels; the engines have a test of their own below


def only(checks, *names):
    """What to skip to do nothing but these checks."""
    return tuple(name for name, _ in checks if name not in names)


def found_in(report, check, said):
    failure = {f.check: f for f in report.failures}
    assert check in failure, f"not found; failed: {sorted(failure)}"
    assert said in failure[check].seen, failure[check].seen
    assert failure[check].fix
    assert failure[check].should
    return failure
