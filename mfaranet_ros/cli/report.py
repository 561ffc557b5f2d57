# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a tool writes as a file: figures for `--json FILE`, or a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfaranet_ros.core.files import write_file

ADVICE = 'give another FILE'


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write the figures, making the folder where it is missing; raises OutputError."""
    write_text(path, json.dumps(figures, indent=2) + '\n')


def write_text(path: Path, text: str) -> None:
    """Write a text, making the folder where it is missing; raises OutputError."""
    write_file(path, text, parents=True, advice=ADVICE)
