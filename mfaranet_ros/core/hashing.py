# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Files that are written aside and renamed, so that an earlier one stays whole."""

from __future__ import annotations

import os
from pathlib import Path

from mfaranet_ros.core.errors import OutputError


def write_aside(path: Path, data: bytes) -> None:
    """Write a file in whole or not at all; raises OutputError."""
    aside = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        with aside.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error
    finally:
        aside.unlink(missing_ok=True)
