# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The SROS 2 policy against what the running node really has, and the ports it opens."""

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

POLICY = Path(__file__).parents[2] / 'config' / 'sros2' / 'segmentation.policy.xml'

OPTIONAL = {
    'publish': {'/segmentation/label_info'},  # needs vision_msgs
    'subscribe': {
        '/image/compressed', '/image/ffmpeg', '/image/foxglove',  # by input.transport
        '/tf', '/tf_static',  # needs tf2_ros
        '/clock',  # use_sim_time
    },
    'reply': {'/segmentation/get_type_description'},  # not on Humble
}  # fmt: skip
"""What the policy allows and a node need not have."""


def allowed(verb):
    """Return the full names that the policy allows."""
    profile = ElementTree.parse(POLICY).getroot().find('./enclaves/enclave/profiles/profile')
    assert profile.attrib == {'ns': '/', 'node': 'segmentation'}
    names = [entry.text for group in profile for entry in group if group.get(verb) == 'ALLOW']
    full = [re.sub('^~/', '/segmentation/', name) for name in names]
    return {name if name.startswith('/') else f'/{name}' for name in full}


def real(node):
    """Return what the graph says that a node publishes, subscribes to and serves."""
    who = node.get_name(), node.get_namespace()
    asked = {
        'publish': node.get_publisher_names_and_types_by_node,
        'subscribe': node.get_subscriber_names_and_types_by_node,
        'reply': node.get_service_names_and_types_by_node,
        'request': node.get_client_names_and_types_by_node,
    }
    return {verb: {name for name, _ in ask(*who)} for verb, ask in asked.items()}


def test_the_policy_allows_what_the_node_has_and_nothing_else(vehicle):
    node = vehicle.start()
    found = vehicle.wait_until(
        lambda: graph if (graph := real(node))['subscribe'] >= {'/image'} else None, 'the graph'
    )
    for verb, optional in OPTIONAL.items():
        assert found[verb] <= allowed(verb), verb
        assert allowed(verb) - found[verb] <= optional, verb
    assert found['request'] == allowed('request') == set()


def test_the_policy_is_of_the_form_that_sros2_takes():
    root = ElementTree.parse(POLICY).getroot()
    assert (root.tag, root.attrib) == ('policy', {'version': '0.2.0'})
    groups = {'topics': 'topic', 'services': 'service'}
    for group in root.find('./enclaves/enclave/profiles/profile'):
        assert set(group.attrib) <= {'publish', 'subscribe', 'reply', 'request'}
        assert set(group.attrib.values()) == {'ALLOW'}
        assert {entry.tag for entry in group} == {groups[group.tag]}
        names = [entry.text for entry in group]
        assert len(names) == len(set(names))
        assert not any('*' in name for name in names)


def sockets():
    """Return the inodes of this process's sockets."""
    found = set()
    for number in os.listdir('/proc/self/fd'):
        try:
            target = os.readlink(f'/proc/self/fd/{number}')
        except OSError:
            continue
        if target.startswith('socket:'):
            found.add(target[len('socket:[') : -1])
    return found


def ports(protocol, state):
    """Return the ports of this process's sockets in a state of /proc/net."""
    own, found = sockets(), set()
    for version in ('', '6'):
        path = Path(f'/proc/self/net/{protocol}{version}')
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            local, kind, inode = (line.split()[column] for column in (1, 3, 9))
            if kind == state and inode in own:
                found.add(int(local.rpartition(':')[2], 16))
    return found


@pytest.mark.skipif(not Path('/proc/self/net/tcp').exists(), reason='needs /proc of Linux')
def test_no_port_is_opened_but_those_of_dds(vehicle):
    before = ports('tcp', '0A'), ports('udp', '07')
    vehicle.start()
    vehicle.matched()
    assert ports('tcp', '0A') == before[0]
    lowest = 7400 + 250 * int(os.environ.get('ROS_DOMAIN_ID', '0'))
    unnamed = {port for port in ports('udp', '07') - before[1] if port < 32768}
    assert all(lowest <= port < lowest + 250 for port in unnamed)
