# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is read ahead is what would be read, and the thread ends whatever happens."""

from __future__ import annotations

import threading

import pytest

from mfaranet_ros.data.read_ahead import ITEMS, read_ahead


def running():
    return [thread for thread in threading.enumerate() if thread.name == 'bag reader']


def test_items_come_in_order():
    assert list(read_ahead(range(50))) == list(range(50))
    assert not running()


def test_few_items_are_read_ahead():
    taken = []
    ready = threading.Event()

    def numbers():
        for number in range(100):
            taken.append(number)
            if number == ITEMS + 1:
                ready.set()
            yield number

    items = read_ahead(numbers())
    assert next(items) == 0
    assert ready.wait(10)
    assert len(taken) <= ITEMS + 3
    items.close()
    assert not running()


def test_an_error_comes_in_its_place():
    def numbers():
        yield 1
        raise ValueError('broken')

    items = read_ahead(numbers())
    assert next(items) == 1
    with pytest.raises(ValueError, match='broken'):
        next(items)
    assert not running()
