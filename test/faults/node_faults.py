# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Faults around a running node: signals, parameters, quality of service, peers that restart."""

from faults.catalogue import covered, fault, refused
from mfaranet_ros.adaptive.operating_points import check_change
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError

ROS = 'test/ros/'


@fault('parameters', 'a value out of range', 'refused with what is allowed; the old one stays')
def parameter_out_of_range(kit):
    for name, value in (('drivable.min_confidence', 1.5), ('latency.max_age_ms', -1.0)):
        refused(ConfigError, name, replace, PipelineConfig(), {name: value})


@fault('parameters', 'NaN or infinity', 'refused')
def parameter_not_finite(kit):
    for value in (float('nan'), float('inf')):
        refused(ConfigError, 'ground.z', replace, PipelineConfig(), {'ground.z': value})


@fault('parameters', 'a value of another type', 'refused with what is allowed')
def parameter_of_other_type(kit):
    for value in ('many', None, [1.0], True):
        refused(
            ConfigError, 'boundary_bearings', replace, PipelineConfig(),
            {'drivable.boundary_bearings': value},
        )  # fmt: skip


@fault('parameters', 'an unknown choice', 'refused with the choices')
def parameter_no_choice(kit):
    config = PipelineConfig()
    refused(ConfigError, 'roles', replace, config, {'output.palette': 'rainbow'})


@fault('parameters', 'an invalid or repeated scale', 'refused')
def parameter_scales(kit):
    for value in ([], [9], [1, 1]):
        refused(ConfigError, 'model.scales', replace, PipelineConfig(), {'model.scales': value})


@fault('parameters', 'one bad value among good ones', 'none of them is taken')
def parameter_atomic(kit):
    values = {'ground.z': 1.0, 'ground.pitch': 99.0}
    refused(ConfigError, 'ground.pitch', replace, PipelineConfig(), values)


@fault('parameters', 'model.scales while latency.adapt decides on them', 'refused with the reason')
def parameter_conflict(kit):
    old = replace(PipelineConfig(), {'latency.adapt': True})
    new = replace(old, {'model.scales': [2]})
    refused(ConfigError, 'latency.adapt is true', check_change, old, new)


@fault('parameters', 'an operating point that is none', 'refused with the form')
def parameter_operating_point(kit):
    config = PipelineConfig()
    for text in ('', 'x', '1@2', '9', '1,2@0x'):
        new = replace(config, {'latency.adapt': True, 'latency.operating_points': ['1', text]})
        refused(ConfigError, 'operating point', check_change, config, new)


for _area, _name, _what, _answer, _test in (
    ('parameters', 'parameter_storm', 'a hundred changes in a row while images come',
     'each is taken or refused, every image is accounted for',
     'test_live_faults.py::test_live_node_survives'),
    ('parameters', 'parameter_misspelled', 'a misspelled parameter at the start', 'exit code 2',
     'test_failures.py::test_misspelled_parameters_are_refused'),
    ('parameters', 'parameter_foreign', 'parameters of other nodes in a shared file',
     'ignored with one line',
     'test_failures.py::test_foreign_parameters_are_ignored_with_one_line'),
    ('parameters', 'parameter_file', 'a parameter file that ROS refuses', 'one line, exit code 2',
     'test_failures.py::test_what_ros_refuses_is_one_line'),
    ('qos', 'qos_publisher', 'a camera offers less than is asked for', 'named with both policies',
     'test_segmentation_node.py::test_a_publisher_of_incompatible_qos_is_named'),
    ('qos', 'qos_subscriber', 'a subscriber asks for more than is offered', 'named, WARN',
     'test_segmentation_node.py::test_a_subscriber_of_incompatible_qos_is_named'),
    ('qos', 'qos_ends', 'that subscriber leaves', 'the complaint ends',
     'test_outputs.py::test_a_complaint_about_a_subscriber_ends_when_it_leaves'),
    ('qos', 'qos_other_type', 'a publisher of another message type', 'named with the parameter',
     'test_two_cameras.py::test_a_publisher_of_another_type_is_named_with_the_parameter_to_change'),
    ('qos', 'qos_late_joiner', 'a subscriber comes after the grid', 'gets the last grid',
     'test_segmentation_node.py::test_latecomers_get_the_last_grid'),
    ('signals', 'signal_active', 'SIGINT or SIGTERM while active', 'exit code 0 within 2 s',
     'test_process.py::test_the_active_node_ends'),
    ('signals', 'signal_starting', 'a signal while the network is loaded', 'exit code 0',
     'test_process.py::test_the_starting_node_ends'),
    ('signals', 'signal_busy', 'a signal while a call cannot be interrupted', 'exit code 0',
     'test_process.py::test_the_node_ends_while_a_call_cannot_be_interrupted'),
    ('signals', 'signal_twice', 'a second signal after the first', 'exit code 0',
     'test_failures.py::test_a_second_signal_changes_nothing'),
    ('signals', 'signal_recorder', 'Ctrl-C while recording', 'the file is made whole',
     'test_record.py::test_ctrl_c_makes_the_file_whole'),
    ('peers', 'peer_camera_restarts', 'the camera driver restarts', 'its images are taken again',
     'test_live_faults.py::test_live_node_survives'),
    ('peers', 'peer_subscriber_restarts', 'a subscriber leaves and comes back',
     'it gets masks again', 'test_live_faults.py::test_live_node_survives'),
    ('peers', 'peer_second_camera', 'a second driver publishes on the same topic',
     'images of both are processed, no loss is reported',
     'test_live_faults.py::test_live_node_survives'),
    ('peers', 'peer_calibration_changes', 'camera_info changes its size and comes back',
     'no grid in between, then one again', 'test_live_faults.py::test_live_node_survives'),
    ('peers', 'peer_nobody', 'nobody listens', 'no frame reaches the network',
     'test_segmentation_node.py::test_without_any_subscriber_no_frame_reaches_the_network'),
    ('peers', 'peer_silence', 'the camera is gone', 'the grid is cleared once',
     'test_segmentation_node.py::test_the_grid_is_cleared_once_when_the_input_goes_silent'),
):  # fmt: skip
    covered(_area, _name, _what, _answer, ROS + _test)
