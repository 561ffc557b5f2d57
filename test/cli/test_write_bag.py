# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet evaluate --bag --write-bag` writes the bag anew, and refuses what makes no sense."""

from __future__ import annotations

import numpy as np
import pytest

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.writer import BagWriter
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.messages import build

MOCK = ('--set', 'runtime.backend=mock')


@pytest.fixture
def bag(tmp_path):
    with BagWriter(tmp_path / 'drive') as writer:
        for number in range(4):
            pixels = np.full((32, 48, 3), 40 * number, np.uint8)
            value = encode.image(Frame(pixels, 'rgb8', number * 10**8, 'camera'))
            writer.write('/cam/image_raw', build(value, writer.make), number * 10**8)
    return tmp_path / 'drive'


def test_the_bag_is_written_anew(bag, tmp_path):
    out = tmp_path / 'out'
    command = ['evaluate', '--bag', str(bag), '--write-bag', str(out), '--frames', '1:3', *MOCK]
    assert main(command) == 0
    with open_bag(out) as written:
        assert written.topics['/cam/image_raw'].count == 4
        masks = list(written.messages(['/segmentation/mask']))
    assert [item.stamp_ns for item in masks] == [1 * 10**8, 2 * 10**8]
    assert main(command) == 2
    assert main([*command, '--overwrite']) == 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--images', 'x', '--ground-truth', 'y', '--write-bag', 'z'), '--write-bag is for --bag'),
        (('--bag', 'x', '--write-bag', 'z', '--out', 'o', '--resume'), 'leave out --overwrite'),
        (('--bag', 'BAG', '--write-bag', 'BAG', '--overwrite'), 'holds the recording itself'),
    ],
)
def test_nonsense_is_refused(bag, options, message, capsys):
    given = [str(bag) if word == 'BAG' else word for word in options]
    assert main(['evaluate', *given, *MOCK]) == 2
    assert message in capsys.readouterr().err
    with open_bag(bag) as whole:
        assert whole.topics['/cam/image_raw'].count == 4
