"""Published measurement files: the command that the tool suggests, run as printed, finds the right values of each."""

import pytest

import lab

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("case", lab.CASES, ids=lambda case: "+".join(case.files[:2]))
def test_right_values(case):
    """Each right value within its tolerance; where no device can be made, the reason is the right one."""
    where = lab.folder()
    if where is None:
        pytest.skip("SHIP_DATA names no folder with measurement files in lab/")
    _, found = lab.found(case, where, replicates=20)
    seen = list(lab.compared(case, found))
    assert [f"{right.what}: {value:g}, right is {right.value:g}" for right, value, good in seen if not good] == []
    assert len(seen) == len(case.right) > 0
    assert lab.honest(case, found.refusal()), found.refusal()
