# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Use a label set of your own: python examples/custom_labels.py [WEIGHTS.safetensors]

`mfaranet train` writes such weights; without a file, untrained ones show how it works.
"""

import sys
from tempfile import TemporaryDirectory

import mfaranet_ros as mr

FARM_CLASSES = (
    mr.LabelClass(0, 'track', (128, 64, 128), mr.Role.DRIVABLE),
    mr.LabelClass(1, 'crop', (107, 142, 35), mr.Role.OBSTACLE),
    mr.LabelClass(2, 'sky', (70, 130, 180), mr.Role.BACKGROUND),
)
FARM = mr.register_label_set(mr.LabelSet('farm', FARM_CLASSES))
with TemporaryDirectory() as folder:
    if len(sys.argv) > 1:
        weights = sys.argv[1]
    else:
        model = mr.create_model('mfaranet_resnet18', classes=len(FARM))
        weights = mr.save_weights(model, f'{folder}/farm.safetensors', label_set=FARM)
    with mr.Segmenter('mfaranet_resnet18', weights) as segmenter:
        result = segmenter(mr.SyntheticScene().frame(0).rgb)
for number, name in enumerate(segmenter.label_set.names):
    print(f'{name:6} {(result.labels == number).mean():6.1%}')
