# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The log and the curves of a run."""

import csv
import io

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.training.history import SIZE, Row, draw_curves, to_csv

CAMVID = get_label_set('camvid')


def make_rows(count, validated=()):
    return [
        Row(
            epoch=n, step=10 * n, minutes=0.5 * n, learning_rate=0.01, images_per_s=3.25,
            skipped=0, loss=4.0 / n, fused=1.0 / n, segmentation=2.0 / n, boundary=0.5 / n,
            attention=0.25 / n, distillation=0.25 / n,
            mean_iou=0.1 * n if n in validated else None,
            pixel_accuracy=0.2 * n if n in validated else None,
            iou=(0.5,) * 10 + (None,) if n in validated else (),
        )
        for n in range(1, count + 1)
    ]  # fmt: skip


def test_log_has_a_line_for_each_epoch():
    lines = list(csv.DictReader(io.StringIO(to_csv(make_rows(3, {2}), CAMVID).decode())))
    assert [line['epoch'] for line in lines] == ['1', '2', '3']
    assert [line['mean_iou'] for line in lines] == ['', '0.2', '']
    assert (lines[1]['iou Sky'], lines[1]['iou Bicyclist'], lines[0]['iou Sky']) == ('0.5', '', '')
    assert float(lines[2]['loss']) == pytest.approx(4 / 3, rel=1e-5)


def test_log_without_an_epoch_is_a_header():
    assert to_csv([], CAMVID).decode().count('\n') == 1


@pytest.mark.parametrize('rows', [make_rows(0), make_rows(1), make_rows(40, {10, 40})], ids=len)
def test_curves_are_an_image_of_two_panels(rows):
    image = cv2.imdecode(np.frombuffer(draw_curves(rows), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (SIZE[0], 2 * SIZE[1], 3)
    colored = (np.ptp(image.astype(int), axis=2) > 40).sum()
    assert colored > 200  # the legend at least


def test_curves_show_what_has_changed():
    assert draw_curves(make_rows(5)) != draw_curves(make_rows(6))
    assert draw_curves(make_rows(6)) != draw_curves(make_rows(6, {3, 6}))
