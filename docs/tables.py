# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Writes the documents' tables, config/segmentation.yaml and the SROS 2 policy from the code.

    ./dev run python docs/tables.py            rewrite what differs
    ./dev run python docs/tables.py --check    only say what differs

A table stands between two comments in a Markdown file, `<!-- table NAME -->` and
`<!-- end of table NAME -->`; the text around them is written by hand. test/test_docs.py holds
both the tables and the text to the code.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mfaranet_ros.core.config import PipelineConfig, Setting, settings_of
from mfaranet_ros.core.labels import LabelSet, Role, get_label_set, list_label_sets
from mfaranet_ros.models import create_model, get_model_entry, list_models
from mfaranet_ros.models.macs import count_macs, count_parameters, measure_model
from mfaranet_ros.pipeline.decode import LAYOUTS
from mfaranet_ros.pipeline.topics import OutputTopic, When, topics_of
from mfaranet_ros.ros.camera_input import NEWEST_BEST_EFFORT, TRANSPORTS
from mfaranet_ros.ros.outputs import qos_profile
from mfaranet_ros.ros.parameters import all_settings
from mfaranet_ros.ros.player_config import PlayerConfig
from mfaranet_ros.ros.rig_node import RigConfig
from mfaranet_ros.scenes.kinds import LABEL_SETS, Kind, label_table
from mfaranet_ros.scenes.options import PRESETS, SceneOptions

ROOT = Path(__file__).resolve().parent.parent
COMMAND = './dev run python docs/tables.py'
DOCUMENTS = (
    'docs/models.md',
    'docs/node.md',
    'docs/parameters.md',
    'docs/player.md',
    'docs/reliability.md',
    'docs/rig.md',
    'docs/scenes.md',
    'docs/topics.md',
)
YAML_FILE = 'config/segmentation.yaml'
POLICY_FILE = 'config/sros2/segmentation.policy.xml'

COUNTED_SIZE = (1024, 2048)
"""Height and width for which multiplications are counted: a full Cityscapes image."""

COUNTED_CLASSES = 19

ZOO_SIZE, ZOO_CLASSES = (512, 1024), 11
"""For which image and how many classes all networks are compared."""

COUNTED = (
    ('mfaranet_resnet18', (1, 2, 3, 4)),
    ('mfaranet_resnet18', (1, 2, 3)),
    ('mfaranet_resnet18', (1, 2)),
    ('mfaranet_resnet18', (2,)),
    ('mfaranet_resnet18', (1,)),
    ('mfaranet_resnet50', (1, 2, 3, 4)),
    ('mfaranet_resnet50', (2,)),
    ('mfaranet_resnet101', (1, 2, 3, 4)),
    ('mfaranet_resnet101', (2,)),
)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


# -- topics ------------------------------------------------------------------------------------


def topics_table() -> str:
    """Return every topic of the node with its type, QoS and meaning."""
    inputs = (
        ('image', 'sensor_msgs/msg/Image', NEWEST_BEST_EFFORT, 'in: the camera'),
        (
            'image/compressed', 'sensor_msgs/msg/CompressedImage', NEWEST_BEST_EFFORT,
            'in, instead of `image` where `input.transport` is `compressed`, or `video` for h264, '
            'h265 and av1',
        ),
        (
            'image/ffmpeg', 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket', NEWEST_BEST_EFFORT,
            'in, instead of `image` where `input.transport` is `ffmpeg`; depth 30',
        ),
        (
            'image/foxglove', 'foxglove_msgs/msg/CompressedVideo', NEWEST_BEST_EFFORT,
            'in, instead of `image` where `input.transport` is `foxglove`; depth 30',
        ),
        (
            'camera_info', 'sensor_msgs/msg/CameraInfo', NEWEST_BEST_EFFORT,
            'in: its calibration; the metric outputs need it',
        ),
    )  # fmt: skip
    published = (topic for when in When if when is not When.TIMED for topic in topics_of(when))
    outputs = [
        (f'~/{topic.name}', topic.type_name, qos_profile(topic.qos), _meaning(topic))
        for topic in published
    ]
    times = topics_of(When.TIMED)
    names = ', '.join(f'`{topic.name.removeprefix("debug/")}`' for topic in times)
    others = (
        (
            '~/debug/NAME', times[0].type_name, qos_profile(times[0].qos),
            f'times of one frame; NAME: {names}',
        ),
        (
            '/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray', QoSProfile(depth=10),
            'once a second, in every state',
        ),
    )  # fmt: skip
    rows = (
        (f'`{topic}`', type_name.replace('/msg/', '/'), qos_in_words(qos), meaning)
        for topic, type_name, qos, meaning in (*inputs, *outputs, *others)
    )
    return markdown(('topic', 'type', 'QoS', 'carries'), rows)


def _meaning(topic: OutputTopic) -> str:
    package = topic.type_name.partition('/')[0]
    return topic.meaning + f'; only where {package} is installed' * topic.optional


def qos_in_words(qos: QoSProfile) -> str:
    """Return such as `reliable, transient local, 1`; the number is the depth."""
    best_effort = qos.reliability == ReliabilityPolicy.BEST_EFFORT
    latched = qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    words = ['best effort' if best_effort else 'reliable', *['transient local'] * latched]
    return ', '.join([*words, str(qos.depth)])


# -- parameters --------------------------------------------------------------------------------


def ordered_settings() -> list[Setting]:
    """Return all settings of the node, each group in one piece."""
    groups = ['', *dict.fromkeys(_group(setting) for setting in settings_of(PipelineConfig))]
    return sorted(all_settings(), key=lambda setting: groups.index(_group(setting)))


def _group(setting: Setting) -> str:
    return setting.name.rpartition('.')[0]


def parameter_table(settings: Iterable[Setting], *, live: bool, kind: str = 'parameter') -> str:
    """Return settings as a table; live: with the column that says which may change."""
    head = [kind, 'type', 'default', 'allowed', *['live'] * live, 'meaning']
    rows = [
        [
            f'`{setting.name}`',
            setting.type_name,
            f'`{yaml_value(setting.default)}`',
            _allowed(setting),
            *['yes' if setting.rule.live else ''] * live,
            setting.rule.description,
        ]
        for setting in settings
    ]
    return markdown(head, rows)


def _allowed(setting: Setting) -> str:
    words = {'any bool': 'true, false', 'any str': 'text', 'any str[]': 'texts'}
    allowed = words.get(setting.allowed, setting.allowed)
    return f'{allowed} {setting.rule.unit}'.rstrip()


def yaml_value(value: object) -> str:
    """Return a value as rcl's YAML reader takes it: floats with a point, empty texts quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f'[{", ".join(map(repr, value))}]'
    return "''" if value == '' else str(value)


YAML_HEAD = """\
# Every parameter of the segmentation node and its default, written by
# `{command}`.
#
# Live parameters may change while the node runs; read-only ones are taken when it starts.
# `/**` is a node of any name in any namespace, so one file serves all cameras. What one camera
# needs else stands in a block behind it, since the last block that fits a node wins:
#
# /front/segmentation:
#   ros__parameters:
#     ground:
#       x: 1.7
#
/**:
  ros__parameters:
"""


def yaml_text() -> str:
    """Return config/segmentation.yaml."""
    lines, group = [], ''
    for setting in ordered_settings():
        indent = '    '
        if _group(setting) != group:
            group = _group(setting)
            lines += ['', f'    {group}:']
        if group:
            indent += '  '
        note = f'{_allowed(setting)}; {"live" if setting.rule.live else "read-only"}'
        lines += [
            f'{indent}# {setting.rule.description}',
            f'{indent}# {setting.type_name}: {note}',
            f'{indent}{setting.name.rpartition(".")[2]}: {yaml_value(setting.default)}',
        ]
    return YAML_HEAD.format(command=COMMAND) + '\n'.join(lines) + '\n'


# -- SROS 2 ------------------------------------------------------------------------------------

PARAMETER_SERVICES = (
    'describe_parameters', 'get_parameter_types', 'get_parameters', 'list_parameters',
    'set_parameters', 'set_parameters_atomically',
)  # fmt: skip
LIFECYCLE_SERVICES = (
    'change_state', 'get_available_states', 'get_available_transitions', 'get_state',
    'get_transition_graph',
)  # fmt: skip
POLICY_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- What the segmentation node may do, and nothing else; written by
     `{command}`. See docs/security.md. -->
<policy version="0.2.0">
  <enclaves>
    <enclave path="/segmentation">
      <profiles>
        <profile ns="/" node="segmentation">
"""
POLICY_END = """\
        </profile>
      </profiles>
    </enclave>
  </enclaves>
</policy>
"""


def policy_text() -> str:
    """Return the SROS 2 policy of the node: what it publishes, subscribes to and serves."""
    published = [f'~/{topic.name}' for when in When for topic in topics_of(when)]
    suffixes = dict.fromkeys(suffix for _, suffix in TRANSPORTS.values())
    services = ('enable', 'get_type_description', *LIFECYCLE_SERVICES, *PARAMETER_SERVICES)
    rules = (
        ('topics', 'publish', 'topic', [
            *published, '~/transition_event', '/diagnostics', '/parameter_events', '/rosout',
        ]),
        ('topics', 'subscribe', 'topic', [
            *(f'image{suffix}' for suffix in suffixes), 'camera_info', '/tf', '/tf_static',
            '/clock',
        ]),
        ('services', 'reply', 'service', [f'~/{name}' for name in services]),
    )  # fmt: skip
    lines = []
    for group, verb, kind, names in rules:
        lines.append(f'          <{group} {verb}="ALLOW">')
        lines += [f'            <{kind}>{name}</{kind}>' for name in names]
        lines.append(f'          </{group}>')
    return POLICY_HEAD.format(command=COMMAND) + '\n'.join(lines) + '\n' + POLICY_END


# -- networks and labels -----------------------------------------------------------------------


def scales_table() -> str:
    """Return what networks and kept scales cost, counted on the networks themselves."""
    rows, whole = [], 1.0
    for name, scales in COUNTED:
        parameters, products = count(name, scales)
        if scales == (1, 2, 3, 4):
            whole = products
        kept = '[' + ', '.join(map(str, scales)) + ']'
        share = f'{100 * products / whole:.0f} %'
        rows.append((f'`{name}`', f'`{kept}`', f'{parameters:,}', f'{products:.0f}', share))
    height, width = COUNTED_SIZE
    cost = f'GMAC at {width}x{height}'
    return markdown(('network', '`model.scales`', 'parameters', cost, 'share'), rows)


def count(name: str, scales: tuple[int, ...]) -> tuple[int, float]:
    """Return the parameters of a network and its multiplications for one image, in 10^9."""
    with torch.device('meta'):
        model = create_model(name, classes=COUNTED_CLASSES, scales=scales)
    return count_parameters(model), count_macs(model, *COUNTED_SIZE) / 1e9


def zoo_table() -> str:
    """Return how large every network is, and how much it computes."""
    height, width = ZOO_SIZE
    rows = []
    for name in list_models():
        size = measure_model(name, classes=ZOO_CLASSES, height=height, width=width)
        stride = str(get_model_entry(name).stride)
        rows.append([f'`{name}`', f'{size.parameters:,}', f'{size.macs / 1e9:.2f}', stride])
    return markdown(
        ['network', 'parameters', f'GMAC at {height}x{width}', 'coarsest stride'], rows
    )


def roles_table() -> str:
    """Return which classes are drivable, ground, obstacles and background in each label set."""
    roles = (Role.DRIVABLE, Role.GROUND, Role.BACKGROUND)
    rows = []
    for name in list_label_sets():
        label_set = get_label_set(name)
        rows.append((f'`{name}`', *(', '.join(_names(label_set, role)) for role in roles)))
    return markdown(('label set', *(role.name.lower() for role in roles)), rows)


def _names(label_set: LabelSet, role: Role) -> list[str]:
    return [entry.name for entry in label_set.classes if entry.role == role]


# -- the scene ---------------------------------------------------------------------------------


def presets_table() -> str:
    """Return the presets of the scene with the options each changes."""
    rows = (
        (f'`{name}`', ' '.join(f'`{key}={yaml_value(value)}`' for key, value in values.items()))
        for name, values in PRESETS.items()
    )
    return markdown(('preset', 'changes'), rows)


def scene_classes_table() -> str:
    """Return the objects of the scene and the class of each in every label set."""
    sets = [get_label_set(name) for name in LABEL_SETS]
    rows = (
        (
            kind.name.lower().replace('_', ' '),
            *(label_set.names[label_table(label_set.name)[kind]] for label_set in sets),
        )
        for kind in Kind
    )
    return markdown(('object', *(f'`{name}`' for name in LABEL_SETS)), rows)


def faults_table() -> str:
    """Return every fault that is tested, with the answer and the test."""
    if str(ROOT / 'test') not in sys.path:
        sys.path.insert(0, str(ROOT / 'test'))
    from faults.catalogue import faults

    rows = ((each.area, each.what, each.answer, f'`{each.test}`') for each in faults().values())
    return markdown(('about', 'fault', 'answer', 'test'), rows)


# -- writing -----------------------------------------------------------------------------------

TABLES: dict[str, Callable[[], str]] = {
    'encodings': lambda: textwrap.fill(', '.join(LAYOUTS), 99),
    'topics': topics_table,
    'parameters': lambda: parameter_table(ordered_settings(), live=True),
    'player parameters': lambda: parameter_table(settings_of(PlayerConfig), live=False),
    'rig parameters': lambda: parameter_table(settings_of(RigConfig), live=False),
    'scene options': lambda: parameter_table(settings_of(SceneOptions), live=False, kind='option'),
    'scene presets': presets_table,
    'scene classes': scene_classes_table,
    'scales': scales_table,
    'zoo': zoo_table,
    'roles': roles_table,
    'faults': faults_table,
}
"""What may stand between the comments, by its name in them."""

_TABLE = re.compile(r'^(<!-- table (.+) -->\n).*?^(<!-- end of table \2 -->)$', re.M | re.S)


def filled(text: str) -> str:
    """Return a document with its tables as they should be."""
    return _TABLE.sub(lambda found: f'{found[1]}{TABLES[found[2]]()}\n{found[3]}', text)


def tables_in(text: str) -> list[str]:
    """Return the names of the tables that a document asks for."""
    return [found[2] for found in _TABLE.finditer(text)]


def expected_texts() -> dict[str, str]:
    """Return each file that is written here, or in part, as it should be."""
    texts = {name: filled(read(name)) for name in DOCUMENTS}
    return {**texts, YAML_FILE: yaml_text(), POLICY_FILE: policy_text()}


def read(name: str) -> str:
    path = ROOT / name
    return path.read_text(encoding='utf-8') if path.exists() else ''


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--check', action='store_true', help='only say what differs; exit code 1')
    check = parser.parse_args().check
    differing = [name for name, text in expected_texts().items() if text != read(name)]
    for name in differing:
        if not check:
            (ROOT / name).write_text(expected_texts()[name], encoding='utf-8')
        print(f'{name} {"differs" if check else "is rewritten"}')
    return 1 if check and differing else 0


if __name__ == '__main__':
    sys.exit(main())
