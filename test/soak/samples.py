# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Memory, descriptors and threads of the node, written as CSV and judged at the end."""

import csv
import statistics
from dataclasses import astuple, dataclass, fields
from pathlib import Path

WARM_UP = 0.1
"""Share of the run after which memory is compared."""

LEAST_JUDGED_S = 300.0
"""Memory is judged over at least this time: the first configure cycles fill what stays."""

MAX_GROWTH_MB_PER_H = 20.0


@dataclass(frozen=True)
class Sample:
    """One row.

    rss_mb: resident memory; shared_mb: the part of it that is shared memory of the middleware,
    whose size is fixed and which fills up slowly. settled: the node is active with default
    settings and nothing in hand.
    """

    elapsed_s: float
    rss_mb: float
    shared_mb: float
    descriptors: int
    threads: int
    configures: int
    actions: int
    sent: int
    received: int
    processed: int
    outputs: int
    violations: int
    settled: int

    @property
    def own_mb(self):
        """Resident memory without that of the middleware."""
        return self.rss_mb - self.shared_mb


COLUMNS = tuple(field.name for field in fields(Sample))


def resources(pid):
    """Return (memory in MB, shared memory in MB, open descriptors, threads) of a process."""
    root = Path(f'/proc/{pid}')
    lines = (line.split() for line in (root / 'status').read_text().splitlines())
    sizes_kb = {line[0]: int(line[1]) for line in lines if line[0].startswith(('Vm', 'Rss'))}
    threads = len(list((root / 'task').iterdir()))
    return (
        sizes_kb['VmRSS:'] / 1e3, sizes_kb['RssShmem:'] / 1e3,
        len(list((root / 'fd').iterdir())), threads,
    )  # fmt: skip


class SampleFile:
    """Appends samples to a CSV; each is on the disk before the next one is taken."""

    def __init__(self, path):
        self._file = path.open('w', newline='', encoding='utf-8')
        self._writer = csv.writer(self._file, lineterminator='\n')
        self._writer.writerow(COLUMNS)

    def add(self, sample):
        """Write one row."""
        self._writer.writerow(
            f'{value:.2f}' if isinstance(value, float) else value for value in astuple(sample)
        )
        self._file.flush()

    def close(self):
        """Close the file."""
        self._file.close()


def read_samples(path):
    """Return the samples of a CSV, also of a run that was cut short."""
    with path.open(newline='', encoding='utf-8') as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]
    kinds = {field.name: field.type for field in fields(Sample)}
    return [Sample(**{name: kinds[name](row[name]) for name in COLUMNS}) for row in rows]


def judge(samples):
    """Return a line for each resource that grew, from the settled samples after the warm-up."""
    settled = _settled(samples)
    if len(settled) < 2:
        return []
    problems = []
    part = max(1, len(settled) // 5)
    first, last = settled[:part], settled[-part:]
    hours = max(1.0, _span_s(settled) / 3600)
    growth_mb = _median(last, 'own_mb') - _median(first, 'own_mb')
    if is_memory_judged(samples) and growth_mb > MAX_GROWTH_MB_PER_H * hours:
        problems.append(f'memory grew by {growth_mb:.1f} MB in {hours:.2f} h')
    for name in ('descriptors', 'threads'):
        values = [getattr(sample, name) for sample in settled]
        if _median(last, name) > _median(first, name):
            problems.append(f'{name} grew from {min(values)} to {max(values)}')
    return problems


def is_memory_judged(samples):
    """Say whether the settled samples span enough time to judge memory by."""
    return _span_s(_settled(samples)) >= LEAST_JUDGED_S


def _settled(samples):
    end_s = samples[-1].elapsed_s if samples else 0.0
    return [s for s in samples if s.settled and s.elapsed_s >= WARM_UP * end_s]


def _span_s(settled):
    return settled[-1].elapsed_s - settled[0].elapsed_s if settled else 0.0


def _median(samples, name):
    return statistics.median(getattr(sample, name) for sample in samples)


def curve(samples, step_s=600.0):
    """Return lines with the settled memory, descriptors and threads of each step of time."""
    lines = ['  minute   RSS MB  of it shared   fds  threads  configures']
    due_s = 0.0
    for sample in samples:
        if sample.settled and sample.elapsed_s >= due_s:
            lines.append(
                f'{sample.elapsed_s / 60:8.1f} {sample.rss_mb:8.1f} '
                f'{sample.shared_mb:13.1f} {sample.descriptors:5d} '
                f'{sample.threads:8d} {sample.configures:11d}'
            )
            due_s = (sample.elapsed_s // step_s + 1) * step_s
    return lines
