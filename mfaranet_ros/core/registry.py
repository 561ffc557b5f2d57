# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Named things that code from anywhere may add to: networks, backends, output topics, verbs."""

from __future__ import annotations

from typing import TypeVar

from mfaranet_ros.core.errors import ConfigError, UnknownNameError

EntryT = TypeVar('EntryT')


class Registry(dict[str, EntryT]):
    """Entries of one kind by their names, in the order in which they were added.

    kind: what an entry is called in errors, such as `backend`. A name that is taken raises
    ConfigError, one that is unknown UnknownNameError with the nearest names.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def __missing__(self, name: str) -> EntryT:
        raise UnknownNameError(self.kind, name, self)

    def __setitem__(self, name: str, entry: EntryT) -> None:
        if name in self:
            raise ConfigError(f'{self.kind} {name!r} is registered already: choose another name')
        super().__setitem__(name, entry)
