"""A study as a module, and one run of it.

A study is a Python file with a frozen dataclass ``Config`` (plain values, and a class method ``quick`` with small ones) and a
function ``run(config, run)``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ...base.errors import RunError
from . import settings
from .run import Run


def conduct(
    study: ModuleType,
    folder: Path | str,
    *,
    name: str = "",
    quick: bool = False,
    changes: Sequence[str] = (),
    seed: int = 0,
    data: Path | str | None = None,
    progress: bool = False,
    then: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a study, and return its record, which is also written to ``run.json`` in its folder.

    Args:
        study: the module of the study.
        folder: the folder for the results.
        name: the name of the study in the record; default: that of the module.
        quick: whether to start from the settings of ``Config.quick()``.
        changes: settings that differ from these, as ``"key=value"``.
        seed: the seed of all draws.
        data: the folder with data sets; None for ``SHIP_DATA``, then the cache.
        progress: whether to announce stages on a terminal.
        then: the record of a run that is repeated, with its settings and its seed; other data than it used are refused.

    Raises:
        RunError: the module is no study, or the study fails on a request.
        ParameterError: a setting that it does not have, or a value of another type.
    """
    name = name or study.__name__.rpartition(".")[2]
    kind = _config(study, name)
    if then is not None:
        config, seed = settings.from_plain(f"study {name}", kind, then["config"]), then["seed"]
    else:
        config = settings.changed("--set", kind.quick() if quick else kind(), changes)
    plain = settings.to_plain(f"study {name}", config)
    made = Run(folder, study=name, config=plain, seed=seed, data=data, progress=progress, source=_source(study), then=then)
    with made, _noting_warnings(made):
        study.run(config, made)
    return made.record


@contextmanager
def _noting_warnings(run: Run) -> Iterator[None]:
    """Note the warnings of a study in its record, besides showing them: they say what is ideal, rounded or left out."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if category is UserWarning:
                run.note(f"Warning: {message}")
            shown(message, category, *where, **more)

        warnings.showwarning = show
        yield


def _config(study: ModuleType, name: str) -> Any:
    kind = getattr(study, "Config", None)
    fix = "A study has a dataclass Config with a class method quick, and a function run(config, run)."
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        raise RunError(f"study {name}", "has no dataclass Config", fix=fix)
    if not callable(getattr(kind, "quick", None)):
        raise RunError(f"study {name}", "has no class method Config.quick", fix=fix)
    if not callable(getattr(study, "run", None)):
        raise RunError(f"study {name}", "has no function run", fix=fix)
    return kind


def _source(study: ModuleType) -> str:
    path = getattr(study, "__file__", None)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path and Path(path).is_file() else ""
