# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Packages whose names are imported when they are first asked for (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

NO_TORCH = (
    'this network needs PyTorch, which is not installed: pip install torch, or give a network '
    'file that `mfaranet export` has written'
)
"""What is said where torch is missing, which network files do without."""


def lazy_names(
    package: str, modules: Mapping[str, Iterable[str]], first: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    modules: the names that each of its modules defines. first: modules that are imported before
    any name is returned, since they register something.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f'module {package!r} has no attribute {name!r}')
        for module in first:
            importlib.import_module(f'{package}.{module}')
        value = getattr(importlib.import_module(f'{package}.{module_of[name]}'), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of})

    return get, names
