# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The documents say what the code does: tables, parameter file, keys, commands, names, links."""

import argparse
import dataclasses
import importlib
import importlib.util
import itertools
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy  # noqa: E402

from mfaranet_ros.cli.launch_arguments import (  # noqa: E402
    REPLAY_ARGUMENTS,
    SEGMENTATION_ARGUMENTS,
)
from mfaranet_ros.cli.main import VERBS  # noqa: E402
from mfaranet_ros.core.config import PipelineConfig, settings_of  # noqa: E402
from mfaranet_ros.core.frame import Timings  # noqa: E402
from mfaranet_ros.monitoring.monitor import ProcessedFrame, PublishedTopic  # noqa: E402
from mfaranet_ros.pipeline.decode import REASONS  # noqa: E402
from mfaranet_ros.ros.parameters import NodeConfig, Parameters, all_settings  # noqa: E402
from mfaranet_ros.ros.player_config import PlayerConfig  # noqa: E402
from mfaranet_ros.ros.process import EXECUTABLES  # noqa: E402

pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[1]
YAML_FILE = ROOT / 'config/segmentation.yaml'
DOCUMENTS = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/*.md')])
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding='utf-8') for path in DOCUMENTS}
EVERYTHING = '\n'.join(TEXTS.values())
SETTINGS = {setting.name: setting for setting in all_settings()}
PLAYER_SETTINGS = {setting.name: setting for setting in settings_of(PlayerConfig)}


def load(path):
    """Import a script that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def tables():
    return load(ROOT / 'docs/tables.py')


@pytest.fixture
def context():
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


@pytest.fixture
def segmentation(context):
    """The node, active, without a network."""
    from mfaranet_ros.ros.segmentation_node import SegmentationNode

    mock = Parameter('runtime.backend', value='mock')
    node = SegmentationNode(finish=print, context=context, parameter_overrides=[mock])
    node.start()
    yield node
    node.close()
    node.destroy_node()


def rows_below(text, heading):
    """Return the cells of the first table below a line, without its head."""
    lines = text[text.index(heading) + len(heading) :].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith('| ---'))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith('|'):
            break
        rows.append([cell.strip() for cell in line.strip('|').split('|')])
    return rows


# -- what is written from the code ---------------------------------------------------------------


def test_generated_parts_are_up_to_date(tables):
    expected = tables.expected_texts()
    differing = [name for name, text in expected.items() if text != tables.read(name)]
    assert not differing, f'{", ".join(differing)}: out of date, run: {tables.COMMAND}'


def test_every_table_is_shown_once(tables):
    shown = [name for text in TEXTS.values() for name in tables.tables_in(text)]
    assert sorted(shown) == sorted(tables.TABLES)
    assert len(re.findall('<!--', EVERYTHING)) == 2 * len(shown), 'a comment of another form'


def test_parameter_table_is_complete():
    rows = rows_below(TEXTS['docs/parameters.md'], '<!-- table parameters -->')
    assert {row[0].strip('`') for row in rows} == set(SETTINGS)
    defaults = {row[0].strip('`'): yaml.safe_load(row[2].strip('`')) for row in rows}
    assert {name: as_setting(value) for name, value in defaults.items()} == {
        name: setting.default for name, setting in SETTINGS.items()
    }
    assert {row[0].strip('`') for row in rows if row[4] == 'yes'} == {
        name for name, setting in SETTINGS.items() if setting.rule.live
    }


def test_scales_table_holds_the_published_counts():
    rows = rows_below(TEXTS['docs/models.md'], '<!-- table scales -->')
    counts = {(row[0].strip('`'), row[1].strip('`')): row[2] for row in rows}
    assert counts['mfaranet_resnet18', '[1, 2, 3, 4]'] == '12,996,748'
    assert counts['mfaranet_resnet18', '[2]'] == '12,208,595'
    assert counts['mfaranet_resnet50', '[1, 2, 3, 4]'] == '25,672,204'
    assert counts['mfaranet_resnet101', '[1, 2, 3, 4]'] == '44,664,332'


# -- config/segmentation.yaml --------------------------------------------------------------------


def as_setting(value):
    return tuple(value) if isinstance(value, list) else value


def flattened(values, prefix=''):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flattened(value, f'{prefix}{name}.')
        else:
            yield prefix + name, as_setting(value)


def test_yaml_holds_every_parameter_and_its_default(tables):
    content = yaml.safe_load(YAML_FILE.read_text(encoding='utf-8'))
    assert list(content) == ['/**']
    values = list(flattened(content['/**']['ros__parameters']))
    expected = [(setting.name, setting.default) for setting in tables.ordered_settings()]
    assert values == expected
    assert [type(value) for _, value in values] == [type(value) for _, value in expected]
    assert sorted(SETTINGS) == sorted(name for name, _ in values)


def declared(context, path, namespace=''):
    """Declare all parameters from a file as the node does; return the names given, the configs."""
    arguments = ['--ros-args', '--params-file', str(path)]
    node = Node('segmentation', context=context, namespace=namespace, cli_args=arguments)
    given = set(node._parameter_overrides)
    configs = Parameters(node, NodeConfig()).config, Parameters(node, PipelineConfig()).config
    node.destroy_node()
    return given, *configs


def test_yaml_gives_the_very_defaults(context):
    given, node_config, pipeline_config = declared(context, YAML_FILE)
    assert given == set(SETTINGS)
    assert node_config == NodeConfig()
    assert pipeline_config == PipelineConfig()


def test_yaml_serves_several_cameras(context, tmp_path):
    changed = YAML_FILE.read_text(encoding='utf-8').replace('z: 1.5', 'z: 2')
    block = '\n/front/segmentation:\n  ros__parameters:\n    ground:\n      x: 1.7\n'
    path = tmp_path / 'cameras.yaml'
    path.write_text(changed + block, encoding='utf-8')
    default = PipelineConfig()
    for namespace, x in (('front', 1.7), ('rear', 0.0)):
        _, _, config = declared(context, path, namespace)
        ground = dataclasses.replace(default.ground, x=x, z=2.0)
        assert config == dataclasses.replace(default, ground=ground)


# -- what a running node has ---------------------------------------------------------------------

BESIDES = {'/rosout', '/parameter_events', '/segmentation/transition_event'}
"""Topics that every lifecycle node has."""


def documented_topics(node):
    """Return type and QoS of each topic in docs/topics.md by its full name."""
    topics = {}
    for name, type_name, qos, meaning in rows_below(
        TEXTS['docs/topics.md'], '<!-- table topics -->'
    ):
        words = re.findall('`(.+?)`', meaning) if 'NAME' in name else ['']
        for word in words:
            topic = node.resolve_topic_name(name.strip('`').replace('NAME', word))
            topics[topic] = type_name, qos
    return topics


def in_words(info):
    kind = info.topic_type.replace('/msg/', '/')
    profile = info.qos_profile
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return kind, 'reliable' if reliable else 'best effort', 'transient local' if latched else ''


def test_topics_are_those_of_the_node(segmentation):
    topics = documented_topics(segmentation)
    for other_transport in ('compressed', 'ffmpeg', 'foxglove'):
        topics.pop(f'/image/{other_transport}')
    if not importlib.util.find_spec('vision_msgs'):
        topics.pop('/segmentation/label_info')
    ends = [*segmentation.publishers, *segmentation.subscriptions]
    assert {end.topic_name for end in ends} - BESIDES == set(topics)
    for topic, (type_name, qos) in topics.items():
        infos = segmentation.get_publishers_info_by_topic(topic)
        infos += segmentation.get_subscriptions_info_by_topic(topic)
        reliability, *rest = qos.rpartition(', ')[0].split(', ')
        assert in_words(infos[0]) == (type_name, reliability, *(rest or [''])), topic


def test_services_are_mentioned(segmentation):
    own = [s.srv_name for s in segmentation.services if s.srv_type.__module__.startswith('std_')]
    assert own == ['~/enable']
    assert '`~/enable` (`std_srvs/SetBool`)' in TEXTS['docs/node.md']


FRAME = ProcessedFrame(
    0,
    Timings(1.0, drivable_ms=1.0, grid_ms=1.0),
    1.0,
    1.0,
    (PublishedTopic('/x', 'publish_x', 1),),
)
SOMETIMES = {'device_memory_mb'}


def expanded(key):
    """Return the keys that one with braces stands for, as a shell does."""
    found = re.search(r'{(.+?)}', key)
    if not found:
        return [key]
    words = found[1].split(',')
    return [
        k for word in words for k in expanded(key[: found.start()] + word + key[found.end() :])
    ]


def test_diagnostics_keys_are_documented(segmentation):
    for reason in REASONS:
        segmentation.monitor.frame_dropped(f'decode_{reason}', 0)
    segmentation.monitor.frame_processed(FRAME, 0, 0)
    reported = {status.name: status for status in segmentation.statuses()}
    topics = [name for name in reported if name.startswith('/')]
    assert '/segmentation/mask' in topics
    reported = {name: status for name, status in reported.items() if name not in topics[1:]}
    reported = {'TOPIC' if name in topics else name: one for name, one in reported.items()}
    headings = re.findall(r'^### `(.+)`$', TEXTS['docs/node.md'], re.MULTILINE)
    assert set(headings) == set(reported)
    for name, status in reported.items():
        rows = rows_below(TEXTS['docs/node.md'], f'### `{name}`')
        keys = [key for row in rows for key in expanded(row[0].strip('`'))]
        families = [re.sub('[A-Z]+', '.+', key) for key in keys if re.search('[A-Z]', key)]
        single = [key for key in keys if not re.search('[A-Z]', key)]
        assert len(set(keys)) == len(keys)
        actual = {key for key, _ in status.values}
        rest = {
            key for key in actual - set(single) if not any(re.fullmatch(f, key) for f in families)
        }
        assert rest == set(), f'{name}: not in docs/node.md'
        assert set(single) - actual <= SOMETIMES, f'{name}: documented, but not reported'
        for family in families:
            assert any(re.fullmatch(family, key) for key in actual - set(single)), family


def test_reasons_of_refused_images_are_named():
    row = next(r for r in rows_below(TEXTS['docs/node.md'], '### `input`') if 'REASON' in r[0])
    assert tuple(re.findall('`(.+?)`', row[1])) == REASONS


def test_topics_of_the_player():
    rows = rows_below(TEXTS['docs/player.md'], '# The node `player`')
    files = [f'mfaranet_ros/ros/{name}.py' for name in ('image_show', 'bag_show', 'diagnostics')]
    files.append('mfaranet_ros/data/bags/playback.py')
    source = ''.join((ROOT / file).read_text(encoding='utf-8') for file in files)
    for name in re.findall('`(.+?)`', ' '.join(row[0] for row in rows)):
        assert name.rpartition('/')[2] in source, name


# -- names, links and commands in the text -------------------------------------------------------

GROUPS = '|'.join(sorted({name.partition('.')[0] for name in SETTINGS if '.' in name}))


@pytest.mark.parametrize('document', TEXTS)
def test_parameters_in_the_text_exist(document):
    mentioned = re.findall(rf'`((?:{GROUPS})\.[a-z_]+)`', TEXTS[document])
    assert set(mentioned) <= set(SETTINGS)


@pytest.mark.parametrize('document', TEXTS)
def test_links_lead_somewhere(document):
    folder = (ROOT / document).parent
    for target in re.findall(r'\]\(([^)\s]+)\)', TEXTS[document]):
        path = target.partition('#')[0]
        assert target.startswith(('#', 'https://')) or (folder / path).exists(), target


def commands():
    """Return the commands of all documents, continued lines joined."""
    found = []
    for document, text in TEXTS.items():
        for block in re.findall(r'^```bash\n(.*?)^```$', text, re.MULTILINE | re.DOTALL):
            lines = block.replace('\\\n', ' ').splitlines()
            found += [(document, line) for line in lines if line and not line.startswith('#')]
    return found


def check_dev(words):
    text = subprocess.run(
        [ROOT / 'dev', 'help'], capture_output=True, text=True, check=True
    ).stdout
    assert words[0] in re.findall(r'^  (\w+) ', text, re.MULTILINE)
    if words[0] == 'run':
        check(words[1:])
    elif words[0] in ('demo', 'bench'):
        check_verb([{'demo': 'demo', 'bench': 'benchmark'}[words[0]], *words[1:]])


def check_verb(words):
    """Parse the arguments of `mfaranet VERB` without running it."""
    module = importlib.import_module(VERBS[words[0]].module)
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.add_arguments(parser)
    parser.parse_args(words[1:])


def check_python(words):
    if words[0] == '-m':
        assert words[1] == 'mfaranet_ros.ros'
        check_executable(words[2:])
    else:
        assert (ROOT / words[0]).exists()


def check_executable(words):
    assert words[0] in EXECUTABLES
    assert (ROOT / 'mfaranet_ros/ros/scripts' / words[0]).exists()
    settings = SETTINGS if words[0] == 'segmentation_node' else PLAYER_SETTINGS
    for flag, value in itertools.pairwise(words):
        if flag == '-p':
            name, _, text = value.partition(':=')
            if name == 'use_sim_time':  # which rclpy itself declares
                assert text in ('true', 'false')
                continue
            settings[name].check(as_setting(yaml.safe_load(text)))


def check_launch(words):
    assert (ROOT / 'launch' / words[0]).exists()
    names = {**SEGMENTATION_ARGUMENTS, **(REPLAY_ARGUMENTS if 'replay' in words[0] else {})}
    for word in words[1:]:
        assert word == '-s' or word.partition(':=')[0] in names, word


def check_ros2(words):
    match words:
        case ['launch', 'mfaranet_ros', *rest]:
            check_launch(rest)
        case ['run', 'mfaranet_ros', *rest]:
            check_executable(rest)
        case ['param', 'set', _, name, value]:
            assert SETTINGS[name].rule.live
            SETTINGS[name].check(yaml.safe_load(value))
        case ['param', 'describe', _, name]:
            assert name in SETTINGS
        case ['service', 'call', '/segmentation/enable', 'std_srvs/srv/SetBool', value]:
            assert list(yaml.safe_load(value)) == ['data']
        case ['topic', ('echo' | 'hz'), topic]:
            assert f'`{topic.replace("/segmentation", "~")}`' in TEXTS['docs/topics.md']
        case ['lifecycle', 'set', '/segmentation', transition]:
            assert transition in ('configure', 'activate', 'deactivate', 'cleanup', 'shutdown')
        case ['security', verb, 'keystore', *rest]:
            assert verb in ('create_keystore', 'create_enclave', 'create_permission')
            assert not rest or rest[0] == '/segmentation'
        case _:
            raise AssertionError(f'unknown: ros2 {" ".join(words)}')


OTHER_PROGRAMS = (
    '$EDITOR',
    'cd',
    'colcon',
    'export',
    'git',
    'nano',
    'pip',
    'pre-commit',
    'rosdep',
    'rviz2',
    'source',
)


def check(words):
    """Check one command as far as this package knows it."""
    program, *rest = words
    checks = {'./dev': check_dev, 'mfaranet': check_verb, 'python': check_python}
    checks |= {'ros2': check_ros2, 'pytest': lambda rest: None}
    if program not in OTHER_PROGRAMS:
        checks[program](rest)


@pytest.mark.parametrize(('document', 'command'), commands())
def test_commands_exist(document, command):
    check(shlex.split(command, comments=True))


def test_verbs_in_the_text_exist():
    for verb in re.findall(r'`mfaranet ([a-z]+)', EVERYTHING):
        assert verb in VERBS


# -- the image -----------------------------------------------------------------------------------


def test_image_shows_frame_mask_overlay_and_both_grids(tmp_path):
    from mfaranet_ros.core.config import replace
    from mfaranet_ros.core.labels import get_label_set
    from mfaranet_ros.models import create_model, save_weights
    from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

    image_file = load(ROOT / 'docs/make_image.py')
    labels = get_label_set('camvid')
    model = create_model('mfaranet_resnet18', classes=len(labels), scales=(1,))
    path = save_weights(model, tmp_path / 'w.safetensors', label_set=labels)
    given = {'model.weights': str(path), 'model.scales': (1,)}
    image = image_file.make_image(
        replace(PipelineConfig(), {**image_file.SETTINGS, **given}), 0, 3
    )
    frame = SyntheticScene(0).frame(3).rgb
    height, width = frame.shape[:2]
    top, gap = image_file.CAPTION_PX, image_file.GAP_PX
    assert image.shape[1] == 3 * width + 2 * gap
    assert (image[top : top + height, :width] == frame[..., ::-1]).all()
    mask = image[top : top + height, width + gap : 2 * width + gap].reshape(-1, 3)
    assert {tuple(color) for color in mask[:, ::-1]} <= {tuple(c) for c in labels.palette}
    below = image[top + height + top :]
    free = (below == image_file.CELL_COLORS[0]).all(axis=2)
    assert (
        free[:, below.shape[1] // 2 :].mean() > 0.1
    )  # the ground truth; this network has learnt nothing
