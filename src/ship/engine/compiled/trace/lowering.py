"""From operations of ATen to the primitives of a program."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from .program import Op, Program, Ref, Untraceable, Value, pruned

IDENTITIES = {"detach", "alias", "clone", "lift_fresh_copy", "lift_fresh", "view_as", "positive", "contiguous"}
RESHAPES = {"expand", "view", "_unsafe_view", "squeeze", "unsqueeze", "reshape"}
FILLS = {"zeros": 0.0, "zeros_like": 0.0, "new_zeros": 0.0, "ones": 1.0, "ones_like": 1.0, "new_ones": 1.0}
SAME = {
    "neg": "neg",
    "abs": "abs",
    "exp": "exp",
    "expm1": "expm1",
    "log": "log",
    "log1p": "log1p",
    "sqrt": "sqrt",
    "sin": "sin",
    "cos": "cos",
    "tanh": "tanh",
    "atan": "atan",
    "erf": "erf",
    "erfc": "erfc",
    "log10": "log10",
    "sinh": "sinh",
    "cosh": "cosh",
    "floor": "floor",
    "ceil": "ceil",
    "gt": "gt",
    "ge": "ge",
    "lt": "lt",
    "le": "le",
    "eq": "eq",
    "ne": "ne",
    "maximum": "maximum",
    "minimum": "minimum",
    "mul": "mul",
    "logical_and": "and",
    "logical_or": "or",
    "logical_not": "not",
    "logical_xor": "ne",
    "bitwise_and": "and",
    "bitwise_or": "or",
    "bitwise_not": "not",
    "bitwise_xor": "ne",
    "where": "where",
    "atan2": "atan2",
}
LOGICAL = {"gt", "ge", "lt", "le", "eq", "ne", "and", "or", "not"}


class Operation(NamedTuple):
    """One operation of ATen, as it ran."""

    op: torch._ops.OpOverload[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    out: Any

    @property
    def name(self) -> str:
        return str(self.op._schema.name.split("::")[1])

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors that went in."""
        return [leaf for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, Tensor)]


class Lowering:
    """From calls, in order, to primitives. Tensors are told apart by identity: all calls must still hold theirs.

    With ``in_place`` a call may change the result of another, as in some of PyTorch's derivatives, if nothing shares its memory.
    """

    def __init__(self, dtype: torch.dtype, width: int, in_place: bool = False) -> None:
        self.dtype, self.width, self.in_place = dtype, width, in_place
        self.kinds: list[str] = []
        self.ops: list[Op] = []
        self.known: dict[tuple[Any, ...], Value] = {}
        self.refs: dict[int, Ref] = {}
        self.sharing: defaultdict[int, set[int]] = defaultdict(set)  # the tensors that share some memory

    def program(self, inputs: Sequence[Tensor], calls: Sequence[Operation], outputs: Sequence[Any]) -> Program:
        for tensor in inputs:
            self._define(tensor, self._value("f"))
        for call in calls:
            for tensor in call.tensors:
                self._define(tensor, self._ref(tensor))
            self._check(call)
            self._define(call.out, self._lower(call))
        results = tuple(self._float(self._ref(out)) for out in outputs)
        return pruned(Program(len(inputs), tuple(self.ops), results, tuple(self.kinds)))

    def _define(self, tensor: Tensor, ref: Ref) -> None:
        self.refs[id(tensor)] = ref
        self.sharing[tensor.untyped_storage().data_ptr()].add(id(tensor))

    def _check(self, call: Operation) -> None:
        if call.op._schema.is_mutable and not (self.in_place and self._alone(call)):
            raise Untraceable(f"{call.name} changes a tensor in place")
        if not isinstance(call.out, Tensor):
            raise Untraceable(f"operation {call.name} is not pointwise")
        if tuple(call.out.shape) not in ((), (1,), (self.width,)):
            raise Untraceable(f"{call.name} changes the shape: the operation is not pointwise")
        if call.out.dtype not in (self.dtype, torch.bool):
            raise Untraceable(f"{call.name} computes in {str(call.out.dtype).removeprefix('torch.')}")

    def _alone(self, call: Operation) -> bool:
        """Whether what the call changes is what it returns, and shares its memory with no other tensor."""
        changed = call.args[0]
        return call.out is changed and self.sharing[changed.untyped_storage().data_ptr()] == {id(changed)}

    def _value(self, kind: str) -> Value:
        self.kinds.append(kind)
        return Value(len(self.kinds) - 1)

    def _ref(self, arg: Any) -> Ref:
        if isinstance(arg, Tensor):
            return self.refs[id(arg)] if id(arg) in self.refs else _constant(arg)
        if arg is None:
            return 0.0
        if isinstance(arg, bool | int | float):
            return arg if isinstance(arg, bool) else float(arg)
        raise Untraceable(f"an operation with an argument that is a {type(arg).__name__} is not pointwise")

    def kind(self, ref: Ref) -> str:
        if isinstance(ref, Value):
            return self.kinds[ref]
        return "b" if isinstance(ref, bool) else "f"

    def emit(self, name: str, *args: Ref) -> Value:
        """Return the value of an operation: a new one, or that of the same operation before."""
        key = (name, *((type(a).__name__, repr(a)) for a in args))
        if key not in self.known:
            chosen = name == "where" and self.kind(args[1]) == "b" and self.kind(args[2]) == "b"
            boolean = chosen or name in LOGICAL
            self.known[key] = out = self._value("b" if boolean else "f")
            self.ops.append(Op(name, args, out))
        return self.known[key]

    def _float(self, ref: Ref) -> Ref:
        if self.kind(ref) == "f":
            return ref
        return self.emit("where", ref, 1.0, 0.0) if isinstance(ref, Value) else float(ref)

    def _bool(self, ref: Ref) -> Ref:
        if self.kind(ref) == "b":
            return ref
        return self.emit("ne", ref, 0.0) if isinstance(ref, Value) else bool(ref)

    def _lower(self, call: Operation) -> Ref:
        name = call.name.removesuffix("_")  # the same, out of place
        if name in FILLS:
            return FILLS[name] if call.out.dtype != torch.bool else bool(FILLS[name])
        if name in ("full", "full_like", "new_full"):
            return self._ref(call.args[-1])
        if name in ("scalar_tensor", "fill"):
            return self._ref(call.args[-1])
        first = self._ref(call.args[0])
        if name in IDENTITIES | RESHAPES:
            return first
        if name in ("_to_copy", "to"):
            return self._bool(first) if call.out.dtype == torch.bool else self._float(first)
        if name in ("sum", "mean"):
            raise Untraceable(f"{name} over units: the operation is not pointwise")
        rule = getattr(self, f"_op_{name}", None)
        args = [self._ref(a) for a in call.args]
        if rule is not None:
            return rule(call, *args)  # type: ignore[no-any-return]
        if name not in SAME:
            raise Untraceable(f"operation {name} is not in the table")
        primitive = SAME[name]
        if primitive in ("and", "or", "not"):
            if call.out.dtype != torch.bool:
                raise Untraceable(f"{name} on numbers")
            args = [self._bool(a) for a in args]
        elif primitive == "where":
            args = [self._bool(args[0]), *args[1:]]
            if self.kind(args[1]) != self.kind(args[2]):
                args = [args[0], self._float(args[1]), self._float(args[2])]
        else:
            args = [self._float(a) for a in args]
        return self.emit(primitive, *args)

    def _scaled(self, call: Operation, b: Ref) -> Ref:
        alpha = float(cast(float, call.kwargs.get("alpha", 1)))
        return self._float(b) if alpha == 1 else self.emit("mul", alpha, self._float(b))

    def _op_add(self, call: Operation, a: Ref, b: Ref) -> Ref:
        return self.emit("add", self._float(a), self._scaled(call, b))

    def _op_sub(self, call: Operation, a: Ref, b: Ref) -> Ref:
        return self.emit("sub", self._float(a), self._scaled(call, b))

    def _op_rsub(self, call: Operation, a: Ref, b: Ref, alpha: Ref = 1.0) -> Ref:
        return self.emit("sub", self._float(b), self._float(a) if alpha == 1 else self.emit("mul", alpha, self._float(a)))

    def _op_div(self, call: Operation, a: Ref, b: Ref) -> Ref:
        if call.kwargs.get("rounding_mode") is not None:
            raise Untraceable("division with rounding")
        return self.emit("div", self._float(a), self._float(b))

    def _op_reciprocal(self, call: Operation, a: Ref) -> Ref:
        return self.emit("div", 1.0, self._float(a))

    def _op_rsqrt(self, call: Operation, a: Ref) -> Ref:
        return self.emit("div", 1.0, self.emit("sqrt", a))

    def _op_sigmoid(self, call: Operation, a: Ref) -> Ref:
        return self.emit("div", 1.0, self.emit("add", 1.0, self.emit("exp", self.emit("neg", a))))

    def _op_sigmoid_backward(self, call: Operation, g: Ref, y: Ref) -> Ref:
        return self.emit("mul", self.emit("mul", g, self.emit("sub", 1.0, y)), y)

    def _op_tanh_backward(self, call: Operation, g: Ref, y: Ref) -> Ref:
        return self.emit("mul", g, self.emit("sub", 1.0, self.emit("mul", y, y)))

    def _op_square(self, call: Operation, a: Ref) -> Ref:
        return self.emit("mul", a, a)

    def _op_pow(self, call: Operation, a: Ref, b: Ref) -> Ref:
        a, b = self._float(a), self._float(b)
        if isinstance(b, Value):
            return self.emit("pow", a, b)
        square = {2.0: 1, -2.0: 1}
        if b in (1.0, 0.0):
            return a if b else 1.0
        if b in square:
            whole = self.emit("mul", a, a)
        elif b in (3.0, -3.0) and b > 0:
            whole = self.emit("mul", self.emit("mul", a, a), a)
        elif b in (0.5, -0.5):
            whole = self.emit("sqrt", a)
        elif b == -1.0:
            whole = a  # type: ignore[assignment]
        else:
            return self.emit("pow", a, b)
        return whole if b > 0 else self.emit("div", 1.0, whole)

    def _op_clamp(self, call: Operation, a: Ref, low: Any = None, high: Any = None) -> Ref:
        given = [*call.args, None, None]
        low = call.kwargs.get("min", given[1])
        high = call.kwargs.get("max", given[2])
        out: Ref = self._float(a)
        if low is not None:
            out = self.emit("maximum", out, self._float(self._ref(low)))
        return out if high is None else self.emit("minimum", out, self._float(self._ref(high)))

    def _op_clamp_min(self, call: Operation, a: Ref, low: Ref) -> Ref:
        return self.emit("maximum", a, self._float(low))

    def _op_clamp_max(self, call: Operation, a: Ref, high: Ref) -> Ref:
        return self.emit("minimum", a, self._float(high))

    def _op_relu(self, call: Operation, a: Ref) -> Ref:
        return self.emit("maximum", a, 0.0)

    def _op_threshold_backward(self, call: Operation, g: Ref, a: Ref, limit: Ref) -> Ref:
        return self.emit("where", self.emit("le", a, limit), 0.0, g)

    def _op_sgn(self, call: Operation, a: Ref) -> Ref:
        # NaN gives 0, as in ATen.
        positive = self.emit("where", self.emit("gt", a, 0.0), 1.0, 0.0)
        return self.emit("sub", positive, self.emit("where", self.emit("lt", a, 0.0), 1.0, 0.0))

    _op_sign = _op_sgn

    def _op_logaddexp(self, call: Operation, a: Ref, b: Ref) -> Ref:
        apart = self.emit("abs", self.emit("sub", a, b))
        added = self.emit("add", self.emit("maximum", a, b), self.emit("log1p", self.emit("exp", self.emit("neg", apart))))
        infinite = self.emit("and", self.emit("eq", self.emit("abs", a), math.inf), self.emit("eq", a, b))
        return self.emit("where", infinite, a, added)

    def _op_special_ndtr(self, call: Operation, a: Ref) -> Ref:
        return self.emit("mul", 0.5, self.emit("erfc", self.emit("mul", -math.sqrt(0.5), self._float(a))))

    def _op_round(self, call: Operation, a: Ref) -> Ref:
        if call.kwargs.get("decimals"):
            raise Untraceable("rounding to decimals")
        return self.emit("rint", self._float(a))

    def _op_isnan(self, call: Operation, a: Ref) -> Ref:
        return self.emit("ne", a, a)

    def _op_isinf(self, call: Operation, a: Ref) -> Ref:
        return self.emit("eq", self.emit("abs", a), math.inf)

    def _op_isfinite(self, call: Operation, a: Ref) -> Ref:
        return self.emit("lt", self.emit("abs", a), math.inf)

    def _op_masked_fill(self, call: Operation, a: Ref, mask: Ref, value: Ref) -> Ref:
        return self.emit("where", self._bool(mask), self._float(value), self._float(a))

    def _op_addcmul(self, call: Operation, a: Ref, b: Ref, c: Ref) -> Ref:
        product = self.emit("mul", b, c)
        value = float(cast(float, call.kwargs.get("value", 1)))
        return self.emit("add", a, product if value == 1 else self.emit("mul", value, product))


def _constant(tensor: Tensor) -> Ref:
    """Return the value of a tensor that no call made."""
    if tensor.numel() != 1:
        raise Untraceable("it uses a tensor that is no parameter")
    value = tensor.item()
    return value if isinstance(value, bool) else float(value)
