# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Settings as ROS parameters: declared with descriptors, changed live or refused in words."""

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters
from sensor_msgs.msg import Image

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.ros.parameters import all_settings

TYPES = {
    'bool': ParameterType.PARAMETER_BOOL,
    'int': ParameterType.PARAMETER_INTEGER,
    'float': ParameterType.PARAMETER_DOUBLE,
    'str': ParameterType.PARAMETER_STRING,
    'int[]': ParameterType.PARAMETER_INTEGER_ARRAY,
    'str[]': ParameterType.PARAMETER_STRING_ARRAY,
}


def test_every_setting_is_a_described_parameter(vehicle):
    vehicle.start(autostart=False, parameters={'runtime.backend': 'auto'})
    settings = all_settings()
    assert len({setting.name for setting in settings}) == len(settings)
    request = DescribeParameters.Request(names=[setting.name for setting in settings])
    answer = vehicle.call(DescribeParameters, '/segmentation/describe_parameters', request)
    for setting, descriptor in zip(settings, answer.descriptors, strict=True):
        assert descriptor.name == setting.name
        assert descriptor.type == TYPES[setting.type_name]
        assert setting.rule.description in descriptor.description
        assert setting.allowed in descriptor.additional_constraints
        assert descriptor.read_only is not setting.rule.live


def test_a_live_parameter_acts_on_the_next_frame(vehicle):
    vehicle.start()
    masks = vehicle.listen('/segmentation/drivable/mask', Image)
    vehicle.matched()
    vehicle.send()
    vehicle.wait_until(lambda: len(masks) == 1, 'a mask')
    assert 255 in masks[0].data
    assert vehicle.set_parameter('drivable.min_confidence', double_value=1.0).successful
    vehicle.send()
    vehicle.wait_until(lambda: len(masks) == 2, 'a mask')
    assert 255 not in masks[1].data
    assert 127 in masks[1].data


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('drivable.min_confidence', {'double_value': 1.5}, '1.5'),
        ('output.palette', {'string_value': 'clases'}, 'classes'),
        ('latency.budget_ms', {'string_value': 'fast'}, 'float'),
        ('runtime.backend', {'string_value': 'torch'}, 'read-only'),
        ('model.scales', {'integer_array_value': [5]}, '1 to 4'),
        (
            'latency.operating_points',
            {'string_array_value': ['1,2', 'two']},
            "unknown operating point 'two'",
        ),
        (
            'latency.operating_points',
            {'string_array_value': ['1', '1,5']},
            "unknown operating point '1,5'",
        ),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_and_the_old_one_stays(vehicle, name, value, words):
    vehicle.start()
    before = vehicle.get_parameter(name)
    answer = vehicle.set_parameter(name, **value)
    assert not answer.successful
    assert words in answer.reason
    assert vehicle.get_parameter(name) == before


def test_a_whole_number_is_taken_where_a_float_is_meant(vehicle):
    node = vehicle.start()
    assert vehicle.set_parameter('latency.budget_ms', integer_value=40).successful
    assert node._settings.config.latency.budget_ms == 40.0


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'model.scale': [2]}, "did you mean 'model.scales'"),
        ({'model.scales': [1, 1]}, 'once'),
        ({'model.scales': [0, 1]}, '1 to 4'),
        ({'latency.budget_ms': -1.0}, 'latency.budget_ms = -1.0: must be 0.1 to'),
        ({'runtime.precision': 'fp16'}, 'float16'),
        ({'input.transport': 'theora'}, 'raw, compressed'),
        ({'autostart': 'yes'}, 'must be bool'),
        ({'latency.adapt': True, 'latency.operating_points': ['1', '1']}, 'are the same'),
        ({'latency.operating_points': ['1', '2@2']}, "unknown operating point '2@2'"),
        ({'latency.operating_points': [1, 2]}, 'must be a list of strings'),
    ],
)
def test_a_wrong_parameter_at_the_start_is_refused_in_words(vehicle, parameters, words):
    with pytest.raises(ConfigError, match=None) as refusal:
        vehicle.start(parameters=parameters)
    assert words in str(refusal.value)
