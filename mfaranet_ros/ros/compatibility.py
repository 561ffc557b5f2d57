# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What differs between ROS distributions from Humble to Rolling, in one place.

Humble's rclpy 3.3 has no module `rclpy.event_handler`, whose classes are in `rclpy.qos_event`
there, and calls subscriptions with the message alone. From Iron on a callback may take the
message's info as well, which holds its sequence number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.subscription import Subscription
from rclpy.utilities import get_rmw_implementation_identifier

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

__all__ = [
    'HAS_MESSAGE_INFO',
    'PublisherEventCallbacks',
    'SubscriptionEventCallbacks',
    'lost_images_advice',
    'with_message_info',
]

HAS_MESSAGE_INFO = hasattr(Subscription, 'CallbackType')
"""Whether rclpy hands over the info of a message, such as its sequence number."""

_LOST_IMAGES_ADVICE = {
    'rmw_fastrtps': (
        'large images need the Fast DDS profile of this package (config/fastdds.xml) on both sides'
    ),
    'rmw_cyclonedds': (
        'large images need larger socket buffers with Cyclone DDS (net.core.rmem_max and '
        'SocketReceiveBufferSize)'
    ),
    'rmw_zenoh': 'large images need the shared memory of Zenoh (transport/shared_memory/enabled)',
}


def with_message_info(callback: Callable[[Any, Mapping[str, int]], None]) -> Callable[..., None]:
    """Return a callback for a subscription that gets the message and its info.

    The info is empty where rclpy hands over none.
    """
    if HAS_MESSAGE_INFO:

        def both(message: Any, info: Mapping[str, int]) -> None:
            callback(message, info)

        return both

    def message_only(message: Any) -> None:
        callback(message, {})

    return message_only


def lost_images_advice() -> str:
    """Return what helps against lost images with the middleware that is in use."""
    middleware = str(get_rmw_implementation_identifier())
    for name, advice in _LOST_IMAGES_ADVICE.items():
        if middleware.startswith(name):
            return f'{advice}, see "Large images" in docs/usage.md'
    return f'see what the documentation of {middleware} says about large messages'
