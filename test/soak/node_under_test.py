# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node under test, seen from outside: its services, its outputs, its diagnostics."""

import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import SetBool

from mfaranet_ros.pipeline.topics import OUTPUT_TOPICS, When
from mfaranet_ros.ros.conversions import message_class
from mfaranet_ros.ros.outputs import qos_profile
from soak.image_code import read_code
from soak.observer import Arrival

NODE = '/segmentation'
TOPICS = tuple(
    name for name, topic in OUTPUT_TOPICS.items() if topic.when in (When.RESULT, When.CALIBRATED)
)
"""The topics whose messages belong to an image."""

TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
}


class NodeUnderTest:
    """Clients and subscriptions; what arrives goes to the observer."""

    def __init__(self, node, observer):
        self._node = node
        self._observer = observer
        self._subscriptions = {}
        self._changing = node.create_client(ChangeState, f'{NODE}/change_state')
        self._enabling = node.create_client(SetBool, f'{NODE}/enable')
        self._setting = node.create_client(
            SetParametersAtomically, f'{NODE}/set_parameters_atomically'
        )
        self.input = {}
        self.input_at_ns = 0
        self.settled = False
        node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnostics, 10)

    def is_there(self):
        """Return whether the services are found."""
        clients = (self._changing, self._enabling, self._setting)
        return all(client.service_is_ready() for client in clients)

    # -- services ---------------------------------------------------------------------------

    def change_state(self, name):
        """Return the future of a transition."""
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[name]))
        return self._changing.call_async(request)

    def enable(self, wanted):
        """Return the future of ~/enable."""
        return self._enabling.call_async(SetBool.Request(data=wanted))

    def set_parameters(self, values):
        """Return the future of setting parameters all at once."""
        messages = [Parameter(name, value=v).to_parameter_msg() for name, v in values.items()]
        request = SetParametersAtomically.Request(parameters=messages)
        return self._setting.call_async(request)

    # -- outputs ----------------------------------------------------------------------------

    @property
    def subscribed(self):
        """The topics that are listened to."""
        return tuple(self._subscriptions)

    def subscribe(self, name):
        """Listen to an output topic."""
        if name not in self._subscriptions:
            topic = OUTPUT_TOPICS[name]

            def take(message, info):
                self._take(name, message, info)

            self._subscriptions[name] = self._node.create_subscription(
                message_class(topic.type_name), f'{NODE}/{name}', take, qos_profile(topic.qos),
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )  # fmt: skip

    def unsubscribe(self, name):
        """Listen to an output topic no longer."""
        subscription = self._subscriptions.pop(name, None)
        if subscription is not None:
            self._node.destroy_subscription(subscription)
            self._observer.unsubscribed(name)

    def subscribe_in_vain(self):
        """Return a subscription that asks for more than the mask's publisher offers."""
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return self._node.create_subscription(
            message_class(OUTPUT_TOPICS['mask'].type_name), f'{NODE}/mask', lambda message: None,
            qos, event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )  # fmt: skip

    def _take(self, name, message, info):
        stamp, code, is_known = message.header.stamp, None, True
        if name == 'overlay':
            shape = (message.height, message.width, 3)
            code = read_code(np.frombuffer(message.data, np.uint8).reshape(shape))
        if name == 'drivable/grid':
            is_known = bool((np.frombuffer(message.data, np.int8) != -1).any())
        self._observer.output(
            Arrival(
                name, stamp.sec * 10**9 + stamp.nanosec, info['source_timestamp'],
                time.time_ns(), code, is_known,
            )
        )  # fmt: skip

    # -- diagnostics ------------------------------------------------------------------------

    def _diagnostics(self, message, info):
        for status in message.status:
            if status.name == f'{NODE}: input':
                self.input = {entry.key: entry.value for entry in status.values}
                self.input_at_ns = info['source_timestamp']
                self._observer.counters(self.input, self.input_at_ns, settled=self.settled)

    def count(self, key):
        """Return one of the counters of the input status, 0 before the first one."""
        return int(self.input.get(key, 0))
