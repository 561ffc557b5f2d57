# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Random values for whatever is not a file: messages, parameters, texts, specifications."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip('hypothesis', reason='hypothesis is not installed')

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz.promise import promised
from mfaranet_ros.adaptive.operating_points import parse_operating_point
from mfaranet_ros.core.config import GroundConfig, PipelineConfig, settings_of
from mfaranet_ros.core.errors import ConfigError, MfaranetError
from mfaranet_ros.core.frame import CHANNELS, Frame
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.core.settings import parse_settings, replace
from mfaranet_ros.core.specification import Specification
from mfaranet_ros.core.specification_file import read_specification
from mfaranet_ros.data.bags.files import find_files
from mfaranet_ros.data.bags.storage import parse_qos
from mfaranet_ros.data.calibration_file import read_calibration
from mfaranet_ros.data.label_table import parse_table
from mfaranet_ros.geometry.camera import read_camera_info
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.ground_source import GroundSource
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.decode import LAYOUTS, decode
from mfaranet_ros.pipeline.style import parse_remap
from mfaranet_ros.scenes.options import camera_of, options_of
from mfaranet_ros.training.mixture import read_mixture

few = settings(max_examples=80, derandomize=True, deadline=None, database=None)

HEADER = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2), frame_id='camera')
SETTINGS = {setting.name: setting for setting in settings_of(PipelineConfig)}
DIGITS = '9' * 5000
"""More digits than Python turns into an int."""

sides = st.one_of(st.integers(0, 20), st.sampled_from([2**31, 2**32 - 1, 16384, 16385]))
numbers = st.one_of(
    st.floats(-1000, 1000), st.floats(), st.sampled_from([0.0, 1e308, -1e308, 1e-308, np.inf])
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([DIGITS, '1,2', '[', '\0', '../..', 'true', '2023-99-99']),
)  # fmt: skip


def trees(*keys):
    """Return values as YAML and JSON hold them, whose mappings often have these keys."""
    names = st.one_of(st.sampled_from(keys), st.text(max_size=4))
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)
        ),
        max_leaves=12,
    )


# -- images ------------------------------------------------------------------------------------


@few
@given(
    encoding=st.one_of(st.sampled_from(sorted(LAYOUTS)), st.text(max_size=10)),
    height=sides, width=sides, step=st.one_of(st.integers(0, 100), st.just(2**32 - 1)),
    big=st.integers(0, 255), data=st.binary(max_size=3000),
)  # fmt: skip
def test_raw_image_gives_a_frame_of_its_size_or_an_error(encoding, height, width, step, big, data):
    message = SimpleNamespace(
        header=HEADER, encoding=encoding, height=height, width=width, step=step,
        is_bigendian=big, data=data,
    )  # fmt: skip
    with promised(64):
        frame = decode(message)
        assert isinstance(frame, Frame)
        assert frame.pixels.shape == (height, width, CHANNELS[frame.encoding])
        assert frame.pixels.dtype == np.uint8


@few
@given(text=st.text(max_size=40), data=st.binary(max_size=200))
@example(text='jpeg', data=b'\xff\xd8\xff' + b'\xc0\x00\x11\x08\xff\xff\xff\xff' * 3)
def test_compressed_image_gives_a_frame_or_an_error(text, data):
    for start in (b'', b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'):
        with promised(64):
            decode(SimpleNamespace(header=HEADER, format=text, data=start + data))


# -- calibration ---------------------------------------------------------------------------------


def camera_infos():
    small = st.integers(0, 5)
    return st.builds(
        lambda **fields: SimpleNamespace(header=HEADER, **fields),
        height=st.integers(0, 40) | st.just(2**32 - 1),
        width=st.integers(0, 40) | st.just(2**32 - 1),
        distortion_model=st.sampled_from(
            ['plumb_bob', 'rational_polynomial', 'equidistant', 'fisheye', '', 'plum_bob', 'none']
        ),
        d=st.lists(numbers, max_size=15),
        k=st.lists(numbers, min_size=9, max_size=9)
        | st.builds(
            lambda fx, fy, x, y: [fx, 0, x, 0, fy, y, 0, 0, 1], numbers, numbers, numbers, numbers
        )
        | st.lists(numbers, max_size=4),
        binning_x=small,
        binning_y=small,
        roi=st.builds(SimpleNamespace, x_offset=small, y_offset=small, width=small, height=small),
    )


@few
@given(info=camera_infos(), pose=st.lists(numbers, min_size=6, max_size=6))
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_camera_info_gives_a_ground_or_a_reason(info, pose):
    config = GroundConfig()
    with promised():
        camera = read_camera_info(info)
        if max(camera.size) <= 64:
            mounting = MountingPose.from_xyz_rpy(*pose)
            GroundProjection(camera, mounting, config, camera.size)


@few
@given(info=camera_infos())
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_node_survives_every_camera_info(info):
    frame = Frame(np.zeros((20, 30, 3), np.uint8), 'rgb8', 0, 'camera')
    source = GroundSource()
    source.take_camera_info(info)
    with promised():
        ground = source.at(frame, (20, 30), GroundConfig())
        assert (ground.projection is None) == bool(ground.problem)


@few
@given(
    pose=st.lists(numbers, min_size=3, max_size=3), turn=st.lists(numbers, min_size=4, max_size=4)
)
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_transform_gives_a_pose_or_an_error(pose, turn):
    with promised(64):
        MountingPose.from_transform(pose, turn)


# -- parameters ----------------------------------------------------------------------------------


@few
@given(name=st.sampled_from(sorted(SETTINGS)), value=trees('x'))
def test_parameter_is_taken_or_refused(name, value):
    with promised(64):
        config = replace(PipelineConfig(), {name: value})
        assert isinstance(config, PipelineConfig)


@few
@given(name=st.sampled_from([*sorted(SETTINGS), 'x', '']), text=st.text(max_size=20))
@example(name='drivable.boundary_bearings', text=DIGITS)
@example(name='model.scales', text=f'1,{DIGITS}')
def test_parameter_as_text_is_taken_or_refused(name, text):
    with promised(64):
        parse_settings([f'{name}={text}'], PipelineConfig)


CITYSCAPES = get_label_set('cityscapes')


@few
@given(text=st.text(alphabet='12,34@x:=[] road\n²٣9', max_size=30))
@example(text=f'1@{DIGITS}x3')
@example(text=DIGITS)
@example(text=f'road={DIGITS}')
@example(text='road=²')
@example(text=f'{DIGITS}: road')
@example(text=f'1: {DIGITS}')
def test_texts_are_read_or_refused(text):
    for parse in (
        parse_operating_point,
        lambda given: parse_remap(given, CITYSCAPES),
        lambda given: parse_table([given], CITYSCAPES, 'x'),
        lambda given: options_of([given]),
        lambda given: options_of([f'rain={given}']),
        lambda given: camera_of([f'width={given}']),
        lambda given: camera_of([f'coefficients={given}']),
    ):
        with promised(64):
            parse(text)


# -- specifications ------------------------------------------------------------------------------

MIXTURE_KEYS = ('labels', 'sets', 'name', 'root', 'table', 'weight', 'hold_out', 'scale')
METADATA_KEYS = (
    'rosbag2_bagfile_information', 'relative_file_paths', 'storage_identifier',
    'compression_format',
)  # fmt: skip
CALIBRATION_KEYS = (
    'image_width', 'image_height', 'camera_matrix', 'distortion_model', 'rows', 'cols', 'data',
    'distortion_coefficients', 'rectification_matrix', 'projection_matrix', 'cam0', 'resolution',
    'intrinsics', 'distortion_coeffs', 'camera_model',
)  # fmt: skip
ALIASES = 'x0: &x0 [1, 1]\n' + ''.join(
    f'x{n}: &x{n} [{", ".join([f"*x{n - 1}"] * 8)}]\n' for n in range(1, 30)
)
"""A kilobyte that stands for more values than there are atoms."""

ODD_YAML = (
    '[' * 500, 'a: 2023-99-99', 'a: !!int x', '!!python/object:os.system {}', 'a: &a [*a]',
    '{[1, 2]: 3}', 'a: !!binary "x"', '? {a: 1}\n: 2', f'a: {DIGITS}', 'a: !!timestamp x', '\0',
    ALIASES,
    '\ufeff', 'a: 1:99:99', '!!set {1, 2}', '<<: 1', '- \t- x', '\x80', '1: 2\na: 3',
)  # fmt: skip
SPECIFICATION_KEYS = tuple(field.name for field in fields(Specification))
READERS = {
    'mixture.yaml': (read_mixture, MIXTURE_KEYS),
    'network.yaml': (read_specification, SPECIFICATION_KEYS),
    'metadata.yaml': (lambda path: find_files([path.parent]), METADATA_KEYS),
    'calibration.yaml': (read_calibration, CALIBRATION_KEYS),
}


@pytest.mark.parametrize('name', READERS)
@pytest.mark.parametrize('text', ODD_YAML)
def test_odd_yaml_is_refused_in_one_line(name, text, tmp_path):
    read, _ = READERS[name]
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    with pytest.raises(MfaranetError), promised_to_raise():
        read(path)


def promised_to_raise():
    """Let a MfaranetError through and anything else not."""
    from contextlib import contextmanager

    @contextmanager
    def context():
        try:
            yield
        except MfaranetError:
            raise
        except BaseException as error:
            pytest.fail(f'{type(error).__name__}: {error}')

    return context()


@pytest.mark.parametrize('name', READERS)
def test_specification_is_read_or_refused(name, tmp_path):
    read, keys = READERS[name]
    path = tmp_path / name

    @few
    @given(content=trees(*keys))
    def check(content):
        path.write_text(yaml.safe_dump(content), encoding='utf-8')
        with promised(64):
            read(path)

    check()


@few
@given(content=trees('depth', 'history', 'reliability'))
@example(content=[{'depth': DIGITS}])
def test_recorded_qos_is_read_or_left_out(content):
    with promised(64):
        assert isinstance(parse_qos(yaml.safe_dump(content)), tuple)


def test_an_error_of_ours_is_no_broken_promise():
    with promised():
        raise ConfigError('one line')
