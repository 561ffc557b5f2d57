# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Python's logging of the package below ros/, forwarded to the node's logger and /rosout."""

from __future__ import annotations

import logging
from typing import Any


class ForwardingHandler(logging.Handler):
    """Forwards every record to a ROS logger until it is closed."""

    def __init__(self, ros_logger: Any) -> None:
        super().__init__(logging.INFO)
        self._ros_logger = ros_logger

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on to the logger of the node."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._ros_logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._ros_logger.warning(text)
        else:
            self._ros_logger.info(text)

    def close(self) -> None:
        """Detach from the logger of the package."""
        logging.getLogger('mfaranet_ros').removeHandler(self)
        super().close()


def forward_logs(ros_logger: Any) -> ForwardingHandler:
    """Start forwarding; close the returned handler to stop."""
    handler = ForwardingHandler(ros_logger)
    package = logging.getLogger('mfaranet_ros')
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    return handler
