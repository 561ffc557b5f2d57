# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whatever is in a message, it is printed in one line."""

import pytest

from mfaranet_ros.core.errors import ConfigError


@pytest.mark.parametrize(
    ('text', 'line'),
    [('a\nb', 'a b'), ('a\r\nb\x0bc', 'a b c'), ('caf\udce9', 'caf\\udce9'), ('plain', 'plain')],
)
def test_message_is_one_line_that_can_be_encoded(text, line):
    assert str(ConfigError(text)) == line
