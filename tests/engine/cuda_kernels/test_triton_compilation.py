"""Kernels for CUDA compile without a GPU, and their texts are kept where only the user writes."""

import inspect
import re

import pytest
import torch

from ship.base.native import cache
from ship.engine.compiled.kernels.kernel import Kernel
from ship.engine.compiled.run import cuda
from ship.engine.compiled.tape import tape
from triton_tapes import BINARY, F32, F64, INTERPRETED, UNARY, N, leaky, needs_triton


def machine_code(kernel, wanted):
    """Of the Triton kernel of one step, as text and as binary."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler import compile as translate

    made = cuda.compiled(tape.TapeStep(kernel, N, ((),) * kernel.inputs, (), kernel.constants - 1), wanted)
    pointer = "*fp32" if kernel.dtype == F32 else "*fp64"
    kinds = {p.name: "constexpr" if p.is_constexpr else p.annotation_type or pointer for p in made.params}
    fixed = {(i,): True for i, p in enumerate(made.params) if p.is_constexpr}
    source = ASTSource(made, signature=kinds, constexprs=fixed)
    return translate(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": False}).asm


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled in the interpreter")
@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
def test_kernels_compile_without_a_gpu(dtype):
    """Down to machine code, every operation of the table; what is not a function of libdevice neither contracts products with
    sums nor approximates.
    """

    def plain(state, x, constants):
        outs, after = leaky(state, x, constants)
        return [torch.exp(outs[0]) / state[1], torch.sqrt(outs[0])], after

    def everything(state, x, constants):
        outs, after = leaky(state, x, constants)
        return [outs[0] * f(x[0]) for f in UNARY.values()] + [f(*x) for f in BINARY.values()], after

    assert machine_code(Kernel(everything, (False, False), 2, 3, dtype), None)["cubin"]
    kernel = Kernel(plain, (False, False), 2, 3, dtype)
    for wanted in (None, kernel.wanted((True, True), (True, True, False))):
        made = machine_code(kernel, wanted)
        assert made["cubin"]
        assert not re.search(r"\bfma\.|\.approx|\.ftz", made["ptx"])


def test_texts_are_kept_where_only_the_user_writes(tmp_path, monkeypatch):
    """A kernel's text lies in the private folder; where there is none, it is found all the same."""
    for folder, private in (("own", True), ("open", False)):
        path = tmp_path / folder
        path.mkdir(mode=0o700)
        path.chmod(0o700 if private else 0o777)
        monkeypatch.setenv("SHIP_CACHE", str(path))
        cache._load.cache_clear()
        text = f"def function():\n    return {folder!r}\n"
        if private:
            names = cache.load("scan", text)
        else:
            with pytest.warns(UserWarning, match="kernels are not kept"):
                names = cache.load("scan", text)
        assert inspect.getsource(names["function"]) == text
        assert len(list(path.iterdir())) == int(private)
    cache._load.cache_clear()
