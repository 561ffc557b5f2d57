# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Joules of the packages from the counters of Linux, which begin again, or none at all."""

import pytest

from mfaranet_ros.benchmark.energy import EnergyMeter

RANGE_UJ = 262_000_000


def write(folder, name, microjoules):
    zone = folder / name
    zone.mkdir(exist_ok=True)
    (zone / 'energy_uj').write_text(f'{microjoules}\n')
    (zone / 'max_energy_range_uj').write_text(f'{RANGE_UJ}\n')


def test_packages_are_added_up_and_parts_of_them_are_not(tmp_path):
    for name in ('intel-rapl:0', 'intel-rapl:0:0', 'intel-rapl:1'):
        write(tmp_path, name, 1_000_000)
    meter = EnergyMeter(tmp_path)
    meter.start()
    for name in ('intel-rapl:0', 'intel-rapl:0:0', 'intel-rapl:1'):
        write(tmp_path, name, 3_500_000)
    assert meter.stop() == pytest.approx(5.0)


def test_a_counter_that_begins_again_goes_on(tmp_path):
    write(tmp_path, 'intel-rapl:0', RANGE_UJ - 1_000_000)
    meter = EnergyMeter(tmp_path)
    meter.start()
    write(tmp_path, 'intel-rapl:0', 2_000_000)
    assert meter.stop() == pytest.approx(3.0)


def test_without_counters_nothing_is_said(tmp_path):
    meter = EnergyMeter(tmp_path)
    meter.start()
    assert meter.stop() is None
    write(tmp_path, 'intel-rapl:0', 1)
    (tmp_path / 'intel-rapl:0' / 'energy_uj').write_text('no number')
    meter = EnergyMeter(tmp_path)
    meter.start()
    assert meter.stop() is None
