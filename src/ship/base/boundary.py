"""The public boundary: arguments of public calls are checked against the annotations that the calls have.

``guard(__name__)``, at the end of a public module, puts a check around every function in its ``__all__``, and around constructors
and public methods of its classes. A value of a wrong type then raises a `ParameterError` that names call, argument, type and
value, before anything is done with it. Ranges and shapes are checked where they are known.

Classes that a user may subclass (models, parts of devices, surrogates, distributions: all abstract classes) have only their
constructors checked: their methods are called by the engines, in inner loops. Named tuples, which calls return, are checked by
the calls that take them as arguments.

Numbers are Python's or NumPy's. A truth value is not a number, and a number is not a truth value. A tensor is dense and real.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import re
import sys
import types
import typing
from abc import ABC, ABCMeta
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, TypeVar, Union, Unpack

import numpy as np
import torch
from torch import Tensor

from .errors import ParameterError

P = ParamSpec("P")
R = TypeVar("R")
MARK, LEFT = "__checked__", "__left__"  # attributes of functions
LONGEST = 80  # characters of a value that an error shows


class Number(ABC):  # noqa: B024 (it has a hook only)
    """The types that ``float`` in an annotation accepts."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return issubclass(other, Real) and not issubclass(other, bool)


class Whole(ABC):  # noqa: B024
    """The types that ``int`` in an annotation accepts."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return issubclass(other, Integral) and not issubclass(other, bool)


NUMBERS: dict[Any, Any] = {float: Number, int: Whole, bool: bool | np.bool_}
WORDS: dict[type, str] = {
    Number: "a number",
    Whole: "a whole number",
    bool: "True or False",
    np.bool_: "True or False",
    type(None): "None",
    Tensor: "a dense Tensor of real numbers",
    np.ndarray: "an array of numbers in one axis",
}


class Kind:
    """The types that one argument may have: plain classes, and types with parts such as ``Sequence[str]``."""

    def __init__(self, hint: Any) -> None:
        every = list(_alternatives(_widened(hint)))
        self.anything = Any in every or object in every
        self.classes = tuple(c for c in every if isinstance(c, type))
        self.structured = tuple(c for c in every if not isinstance(c, type))
        self.fitting: set[type] = set()  # cache of the plain types that were accepted, so that most checks are one set lookup

    def accepts(self, value: object) -> bool:
        """Return whether a value, with all of its parts, has one of these types."""
        if isinstance(value, self.classes):
            if isinstance(value, Tensor):
                return value.layout == torch.strided and not value.is_complex()
            if isinstance(value, np.ndarray):
                return value.ndim == 1 and value.dtype.kind in "biuf"
            self.fitting.add(type(value))
            return True
        if isinstance(value, bytes | bytearray) or (isinstance(value, Tensor | np.ndarray) and not value.ndim):
            return False  # these are not lists of anything
        words = isinstance(value, str)  # a string can only stand for a list of words
        return any(_matches(value, kind) for kind in self.structured if not words or _of_words(kind))

    def __str__(self) -> str:
        kinds = sorted((*self.classes, *self.structured), key=lambda kind: kind is type(None))
        words = list(dict.fromkeys(_word(kind) for kind in kinds))
        return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _matches(value: object, kind: Any) -> bool:
    from typeguard import CollectionCheckStrategy, ForwardRefPolicy, TypeCheckError, check_type  # most calls do not need it

    try:
        check_type(
            value,
            kind,
            collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS,
            forward_ref_policy=ForwardRefPolicy.ERROR,
        )
    except TypeCheckError:
        return False
    return True


def _of_words(kind: Any) -> bool:
    return typing.get_origin(kind) is Literal or str in typing.get_args(kind)


def _word(kind: Any) -> str:
    """Return a type in words, without module names."""
    if isinstance(kind, type):
        return WORDS.get(kind, kind.__name__)
    if typing.get_origin(kind) is Literal:
        *most, last = map(repr, typing.get_args(kind))
        return f"{', '.join(most)} or {last}" if most else last
    text = re.sub(r"\b(?:\w+\.)+(?=\w)", "", str(kind))
    return text.replace("Number", "float").replace("Whole", "int")


def _alternatives(hint: Any) -> Iterator[Any]:
    """Yield the types of a union, or the one type itself."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        for part in typing.get_args(hint):
            yield from _alternatives(part)
    else:
        yield type(None) if hint is None else hint


def _widened(hint: Any) -> Any:
    """Widen a type: NumPy's numbers count as numbers, arrays as sequences of numbers, and any function as a callable."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is None:
        return NUMBERS.get(hint, hint) if isinstance(hint, type) else hint
    if origin is Callable:
        return Callable
    if origin is Literal or origin is type:
        return hint
    inner = tuple(part if part is Ellipsis else _widened(part) for part in parts)
    if origin in (Union, types.UnionType):
        return functools.reduce(lambda a, b: Union[a, b], inner)  # noqa: UP007 (the parts are known at run time alone)
    if origin in (Sequence, Iterable) and inner[0] in (Number, Whole):
        return Union[origin[inner], np.ndarray]  # noqa: UP007
    return origin[inner]


class Plan:
    """The types that the arguments of a call may have, read from its annotations."""

    def __init__(self, function: Callable[..., Any], hints: Mapping[str, Any], skip: int) -> None:
        parameters, hints = opened(list(inspect.signature(function).parameters.values())[skip:], hints)
        leave = getattr(function, LEFT, ())
        if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
            options = _unpacked(hints.get(parameters.pop().name))
            parameters += [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in options]
            hints = {**hints, **options}
        kinds = {p.name: Kind(hints[p.name]) for p in parameters if p.name in hints and p.name not in leave}
        kinds = {name: kind for name, kind in kinds.items() if not kind.anything}
        self.defaults = {p.name: p.default for p in parameters if p.default is not Ellipsis}
        self.placed = [(p.name, kinds.get(p.name)) for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.rest = next(((p.name, kinds.get(p.name)) for p in parameters if p.kind is p.VAR_POSITIONAL), ("", None))
        self.named = kinds

    def wrong(self, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[str, Kind, Any] | None:
        """Return the first argument of a wrong type: its name, the types it may have, and its value; None if all are right."""
        for (name, kind), value in zip(itertools.chain(self.placed, itertools.repeat(self.rest)), args, strict=False):
            if kind is not None and type(value) not in kind.fitting and not self._fits(name, kind, value):
                return name, kind, value
        for name, value in named.items():
            kind = self.named.get(name)
            if kind is not None and type(value) not in kind.fitting and not self._fits(name, kind, value):
                return name, kind, value
        return None

    def _fits(self, name: str, kind: Kind, value: object) -> bool:
        return (name in self.defaults and value is self.defaults[name]) or kind.accepts(value)


def _unpacked(hint: Any) -> dict[str, Any]:
    """Return the keywords and their types that ``**options: Unpack[SomeTypedDict]`` stands for; none for any other hint."""
    return typing.get_type_hints(typing.get_args(hint)[0]) if typing.get_origin(hint) is typing.Unpack else {}


def checked(function: Callable[P, R], where: str = "", *, own: type | None = None, method: bool = False) -> Callable[P, R]:
    """Wrap a function so that it checks the types of its arguments first.

    Args:
        function: a function with annotations.
        where: the function's name in errors; for a method the text after the class of its instance, such as ``".run: "``.
        own: the class of a constructor that `dataclasses` made; its fields may come from several modules, in which their
            annotations are read. None for any other function.
        method: whether the first argument is the instance, which is not checked.

    Raises:
        ParameterError: raised by the wrapped function for an argument of a wrong type.
    """
    skip = int(method)

    @functools.cache
    def plan() -> Plan:  # made at the first call, so that importing stays cheap
        return Plan(function, hints_of(function, own), skip)

    @functools.wraps(function)
    def call(*args: P.args, **named: P.kwargs) -> R:
        found = plan().wrong(args[skip:], named)
        if found is not None:
            name, kind, value = found
            whole = f"{type(args[0]).__name__}{where}" if method else f"{where}: "
            raise ParameterError(f"{whole}{name}", f"must be {kind}", got=_shown(value))
        return function(*args, **named)

    setattr(call, MARK, True)
    return call


def hints_of(function: Callable[..., Any], own: type | None = None) -> dict[str, Any]:
    """Return the annotations of a function's arguments as types.

    The return annotation is left out: it may be a name that only type checkers know.
    """
    if own is not None:
        return typing.get_type_hints(own)
    source: Any = inspect.unwrap(function)
    arguments = {name: hint for name, hint in source.__annotations__.items() if name != "return"}
    return typing.get_type_hints(types.SimpleNamespace(__annotations__=arguments), source.__globals__)


def opened(parameters: Sequence[inspect.Parameter], hints: Mapping[str, Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """Return parameters and their types with the keys of a ``**options: Unpack[TypedDict]`` as keyword arguments of their own."""
    made, known = [], dict(hints)
    for parameter in parameters:
        hint = hints.get(parameter.name)
        if parameter.kind is parameter.VAR_KEYWORD and typing.get_origin(hint) is Unpack:
            options = typing.get_type_hints(typing.get_args(hint)[0])
            made += [inspect.Parameter(name, parameter.KEYWORD_ONLY, default=...) for name in options]
            known |= options
        else:
            made.append(parameter)
    return made, known


def left(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Exclude arguments from the check, because the function's own errors say more about them than their types would."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        setattr(function, LEFT, names)
        return function

    return mark


def guard(module: str, *, leave: Collection[str] = ()) -> None:
    """Put a check around everything that a module makes public and has loaded; names that it loads later are checked then.

    The functions are replaced both in this module and in the one that defines them, so that pickling and imports find the same
    objects.

    Args:
        module: the name of the module.
        leave: classes that only the library instantiates; their constructors stay unchecked.
    """
    home = sys.modules[module]
    for name in home.__all__:
        if name in vars(home):
            guard_name(module, name, leave=leave)


def guard_name(module: str, name: str, *, leave: Collection[str] = ()) -> None:
    """Put a check around one function or class that a module has made public; see `guard`."""
    home = sys.modules[module]
    value = vars(home)[name]
    if isinstance(value, types.FunctionType) and not hasattr(value, MARK):
        prefix = ".".join(module.split(".")[-1:]) + "." if "." in module else ""
        made = checked(value, prefix + name)
        setattr(home, name, made)
        setattr(sys.modules[value.__module__], value.__name__, made)
    elif isinstance(value, type) and not issubclass(value, BaseException | tuple):
        _guard_class(value, constructor=name not in leave)


def _guard_class(cls: type, *, constructor: bool) -> None:
    package = __name__.partition(".")[0]
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] != package:
            continue
        for name, value in list(vars(base).items()):
            if not isinstance(value, types.FunctionType) or hasattr(value, MARK):
                continue
            if name == "__init__" and constructor:
                own = base if "__dataclass_params__" in vars(base) else None
                setattr(base, name, checked(value, ".", own=own, method=True))
            elif not isinstance(base, ABCMeta) and name[0] != "_" and name[-1] != "_":
                setattr(base, name, checked(value, f".{name}: ", method=True))


def _shown(value: object) -> str:
    """Return a short representation of a value."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
