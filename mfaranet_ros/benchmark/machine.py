# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The machine of a benchmark: its chip and the clocks it ran at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mfaranet_ros.backends.device import name_device, plain_device
from mfaranet_ros.backends.protocol import Device

_GPU = 'clocks.sm,clocks.max.sm,temperature.gpu,power.draw,driver_version'


def describe_machine(device_name: str, threads: int) -> dict[str, str]:
    """Return name and value of what decides about speed, as it is now.

    device_name, threads: as the settings runtime.device and runtime.threads.
    """
    device = plain_device(device_name)
    torch = sys.modules.get('torch')  # a network file needs none
    own = torch.get_num_threads() if torch is not None else os.cpu_count()
    facts = {
        'device': name_device(device),
        'threads': str(threads or own),
        'cores': str(os.cpu_count()),
        'load_1min': f'{os.getloadavg()[0]:.2f}',
        'cpu_mhz': _cpu_mhz(),
        'governor': _governor(),
    }
    if device.type == 'cuda':
        cuda = '' if torch is None else torch.version.cuda or ''
        facts |= {'cuda': cuda, 'gpu': _gpu(device)}
    return {name: value for name, value in facts.items() if value}


def _cpu_mhz() -> str:
    text = _read(Path('/proc/cpuinfo'))
    clocks = [float(line.partition(':')[2]) for line in text.splitlines() if 'cpu MHz' in line]
    return f'{min(clocks):.0f} to {max(clocks):.0f}' if clocks else ''


def _governor() -> str:
    return _read(Path('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')).strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8', errors='replace')
    except OSError:
        return ''


def _gpu(device: Device) -> str:
    """Return clocks, temperature, power and driver from nvidia-smi; empty without it."""
    index = device.index or 0
    command = ['nvidia-smi', f'--id={index}', f'--query-gpu={_GPU}', '--format=csv,noheader']
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ''
    return ', '.join(
        map(' '.join, zip(_GPU.split(','), done.stdout.strip().split(', '), strict=False))
    )
