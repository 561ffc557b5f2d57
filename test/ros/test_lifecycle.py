# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The managed node: each transition, what fails in words, and what starts counting anew."""

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from sensor_msgs.msg import Image

from mfaranet_ros.backends import MockBackend
from mfaranet_ros.core.errors import ConfigError


def change(vehicle, transition):
    request = ChangeState.Request(transition=Transition(id=transition))
    return vehicle.call(ChangeState, '/segmentation/change_state', request).success


def state(vehicle):
    return vehicle.call(GetState, '/segmentation/get_state', GetState.Request()).current_state.id


def test_a_manager_walks_it_through_all_states(vehicle):
    backend = MockBackend(11)
    vehicle.start(pipeline=backend, autostart=False)
    masks = vehicle.listen('/segmentation/mask', Image)
    assert state(vehicle) == State.PRIMARY_STATE_UNCONFIGURED
    assert change(vehicle, Transition.TRANSITION_CONFIGURE)
    assert state(vehicle) == State.PRIMARY_STATE_INACTIVE
    assert vehicle.camera.get_subscription_count() == 0
    for count in (1, 2):
        assert change(vehicle, Transition.TRANSITION_ACTIVATE)
        vehicle.matched()
        vehicle.send()
        vehicle.wait_until(lambda n=count: len(masks) == n, 'a mask')
        assert change(vehicle, Transition.TRANSITION_DEACTIVATE)
        vehicle.wait_until(lambda: vehicle.camera.get_subscription_count() == 0, 'silence')
    assert change(vehicle, Transition.TRANSITION_CLEANUP)
    assert state(vehicle) == State.PRIMARY_STATE_UNCONFIGURED
    assert change(vehicle, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert state(vehicle) == State.PRIMARY_STATE_FINALIZED


def test_deactivated_the_model_stays_loaded(vehicle):
    built = []

    class Counting(MockBackend):
        def close(self):
            built.append('closed')
            super().close()

    vehicle.start(pipeline=Counting(11))
    assert change(vehicle, Transition.TRANSITION_DEACTIVATE)
    assert built == []
    assert change(vehicle, Transition.TRANSITION_CLEANUP)
    assert built == ['closed']


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'model.weights': '/nowhere/net.pth'}, '/nowhere/net.pth'),
        ({'model.name': 'mfaranet_resnet19'}, 'mfaranet_resnet18'),
        ({'runtime.backend': 'tensorrrt'}, 'torch'),
        ({'runtime.backend': 'mock', 'runtime.device': 'cuda:77'}, 'cuda:77'),
        ({'runtime.backend': 'mock', 'model.labels': 'cityscape'}, 'cityscapes'),
        ({'runtime.backend': 'mock', 'output.class_remap': 'Rood=1'}, 'Road'),
        ({'runtime.backend': 'mock', 'output.debug_stamped': True}, 'autoware'),
        ({'runtime.backend': 'mock', 'ground.extrinsics': 'tf'}, 'tf2_ros'),
    ],
)
def test_a_failing_configuration_is_a_worded_failure_and_can_be_tried_again(
    vehicle, parameters, words
):
    node = vehicle.start(parameters={'runtime.backend': 'auto', **parameters}, autostart=False)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    for _ in range(2):
        assert not change(vehicle, Transition.TRANSITION_CONFIGURE)
        assert state(vehicle) == State.PRIMARY_STATE_UNCONFIGURED

    def told():
        return [
            status.message
            for array in diagnostics
            for status in array.status
            if status.name == '/segmentation: model' and status.level == b'\x02'
        ]

    messages = vehicle.wait_until(told, 'an error in the diagnostics')
    assert words in messages[-1]
    assert node.count_publishers('/segmentation/mask') == 0


@pytest.mark.parametrize('where', ['configure', 'activate'])
def test_whatever_a_transition_raises_is_a_worded_failure(vehicle, monkeypatch, where):
    node = vehicle.start(autostart=False)
    name = {'configure': 'make_ground_source', 'activate': 'CameraInput'}[where]

    def fail(*arguments, **more):
        raise RuntimeError('topic types\ndo not fit')

    with monkeypatch.context() as patch:
        patch.setattr(f'mfaranet_ros.ros.camera_unit.{name}', fail)
        if where == 'activate':
            assert change(vehicle, Transition.TRANSITION_CONFIGURE)
            assert not change(vehicle, Transition.TRANSITION_ACTIVATE)
            assert state(vehicle) == State.PRIMARY_STATE_INACTIVE
        else:
            assert not change(vehicle, Transition.TRANSITION_CONFIGURE)
            assert state(vehicle) == State.PRIMARY_STATE_UNCONFIGURED
    texts = [condition.text for condition in node.monitor.snapshot(0).conditions['model']]
    assert texts == ['RuntimeError: topic types do not fit']
    if where == 'configure':
        assert change(vehicle, Transition.TRANSITION_CONFIGURE)
    assert change(vehicle, Transition.TRANSITION_ACTIVATE)
    assert not node.monitor.snapshot(0).conditions['model']


def test_autostart_that_fails_ends_the_process_with_a_failure(vehicle):
    codes = []
    node = vehicle.start(autostart=False, parameters={'model.scales': [2]})
    node._finish = codes.append
    node._node_settings.config = type(node._node_settings.config)(autostart=True)

    def refuse(config):
        raise ConfigError('no such thing')

    node._build_pipeline = refuse
    node.start()
    assert codes == [1]


def test_a_frame_that_waits_at_deactivation_is_counted(vehicle):
    backend = MockBackend(11, delay_s=0.4)
    node = vehicle.start(pipeline=backend)
    vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    before = backend.frames
    vehicle.send()
    vehicle.wait_until(lambda: backend.frames > before, 'the first frame to be taken')
    vehicle.send()
    vehicle.wait_until(lambda: node.monitor.snapshot(0).received == 2, 'the second to wait')
    assert change(vehicle, Transition.TRANSITION_DEACTIVATE)
    snapshot = node.monitor.snapshot(0)
    assert snapshot.pending == 0
    assert snapshot.dropped == {'deactivated': 1}
