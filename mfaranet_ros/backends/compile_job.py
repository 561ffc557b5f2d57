# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compiles one network in a separate process: NETWORK.pt PACKAGE.pt2.

The compiler's memory is freed with the process, and a crash takes nothing else down.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor


class Coarse(nn.Module):
    """A network whose forward gives its coarse logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (1, C, ceil(h / 4), ceil(w / 4)) of an input (1, 3, h, w)."""
        logits: Tensor = self.network.coarse_logits(x)  # type: ignore[operator]
        return logits


def main() -> None:
    """Read a network and an input like all that will come; write the package that runs it."""
    source, package = sys.argv[1:]
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    network, example = torch.load(source, weights_only=False)  # written by the parent process
    module = Coarse(network).eval()
    # Frozen weights are laid out for the CPU's instructions while they are compiled in.
    with torch.no_grad(), inductor.patch(freezing=True):
        module(example)  # what it keeps for a size becomes a constant of the program
        exported = torch.export.export(module, (example,))
        torch._inductor.aoti_compile_and_package(exported, package_path=package)


def _end_with(parent: int) -> None:
    """End when the process that waits for the result does."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == '__main__':
    main()
