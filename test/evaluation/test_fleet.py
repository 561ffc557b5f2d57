# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Many bags on a cluster: the figures of one process, and a lost bag is only that."""

import json
import re
from collections import deque
from types import SimpleNamespace

import pytest

from mfaranet_ros.cli import evaluate as evaluate_verb
from mfaranet_ros.core.errors import ConfigError, ProcessError, SourceError
from mfaranet_ros.evaluation.runs import fleet
from mfaranet_ros.evaluation.runs.fleet import BagWorker, WorkerLost, run_fleet
from mfaranet_ros.evaluation.runs.specs import fetch, name_bags

GROUND_TRUTH = (
    '--ground-truth-topic', '/truth/labels', '--set', 'runtime.backend=mock', '--set',
    'runtime.precision=float32',
)  # fmt: skip
TIMES = ('ms', 'latency', 'seconds', 'run')


class StandIn:
    """A cluster whose workers are objects of this process; they answer in another order.

    deaths: by name of the bag, how many workers die of it.
    """

    def __init__(self, plan, workers=2, deaths=None):
        self.workers = workers
        self._plan = plan
        self._deaths = dict(deaths or {})
        self._idle = [BagWorker(plan) for _ in range(workers)]
        self._running = deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @property
    def free(self):
        return len(self._idle)

    def start(self, task):
        self._running.append((self._idle.pop(), task))

    def wait(self):
        worker, task = self._running.pop()
        if self._deaths.get(task.spec.name):
            self._deaths[task.spec.name] -= 1
            self._idle.append(BagWorker(self._plan))
            return task, WorkerLost('it was killed')
        self._idle.append(worker)
        return task, worker.run(task)


@pytest.fixture
def on_cluster(evaluate, monkeypatch):
    """Return a function that evaluates on a stand-in of a cluster."""

    def run(*given, json_to, **options):
        monkeypatch.setattr(
            evaluate_verb, 'RayCluster', lambda address, plan, **_: StandIn(plan, **options)
        )
        return evaluate(*given, '--ray', 'auto', json_to=json_to)

    return run


@pytest.fixture(scope='module')
def bags(street, tmp_path_factory):
    folder = tmp_path_factory.mktemp('fleet')
    kinds = {'a': 'mcap', 'b': 'sqlite3', 'c': 'mcap', 'd': 'mcap'}
    return [street.bag(folder / name, kind) for name, kind in kinds.items()]


def without_times(value):
    """Return a report without what no two runs have in common."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def figures(found):
    return json.dumps(
        [without_times(found[name]) for name in ('scores', 'measures', 'frames', 'parts')]
    )


@pytest.mark.parametrize('workers', [1, 2, 4])
def test_any_number_of_workers_gives_the_figures_of_one_process(
    bags, evaluate, on_cluster, tmp_path, workers
):
    _, _, alone = evaluate('--bag', *bags, *GROUND_TRUTH, json_to=tmp_path / 'a.json')
    code, _, found = on_cluster(
        '--bag', *bags, *GROUND_TRUTH, json_to=tmp_path / 'b.json', workers=workers
    )
    assert code == 0
    assert figures(found) == figures(alone)


@pytest.mark.parametrize(('deaths', 'lost'), [(1, False), (2, True)])
def test_a_killed_worker_costs_its_bag_at_most(bags, evaluate, on_cluster, tmp_path, deaths, lost):
    rest = [bag for bag in bags if not lost or bag.name != 'b']
    _, _, alone = evaluate('--bag', *rest, *GROUND_TRUTH, json_to=tmp_path / 'a.json')
    code, printed, found = on_cluster(
        '--bag', *bags, *GROUND_TRUTH, json_to=tmp_path / 'b.json', deaths={'b': deaths}
    )
    assert found['scores'] == alone['scores']
    assert (code == 3) is lost
    assert ('b is not evaluated: its worker ended 2 times: it was killed' in printed.err) is lost


def test_a_corrupt_bag_is_a_named_row_and_not_a_failed_job(bags, on_cluster, tmp_path):
    corrupt = tmp_path / 'corrupt.mcap'
    corrupt.write_bytes(b'\x89MCAP0\r\n' + bytes(100))
    code, printed, found = on_cluster(
        '--bag', *bags, corrupt, tmp_path / 'nowhere', *GROUND_TRUTH, json_to=tmp_path / 'a.json',
    )  # fmt: skip
    assert code == 3
    assert found['scores']['mean_iou'] is not None
    for name in ('corrupt', 'nowhere'):
        assert f'{name} is not evaluated: ' in printed.err
        (part,) = [part for part in found['parts'] if part['name'] == name]
        assert part['source']['truncated'].startswith(f'{name} is not evaluated: ')


@pytest.mark.parametrize('by', ['the same path', 'another path', 'a link'])
def test_a_bag_given_twice_is_refused(bags, on_cluster, tmp_path, by):
    link = tmp_path / 'link'
    link.symlink_to(bags[0])
    paths = {
        'the same path': bags[0],
        'another path': bags[0].parent / '..' / bags[0].parent.name / bags[0].name,
        'a link': link,
    }
    code, printed, _ = on_cluster(
        '--bag', bags[0], paths[by], *GROUND_TRUTH, json_to=tmp_path / 'a.json'
    )
    assert code
    assert 'give each bag once' in printed.err


def test_urls_given_twice_are_refused():
    with pytest.raises(SourceError, match='give each bag once'):
        name_bags(['s3://fleet/a.mcap', 's3://fleet/b.mcap', 's3://fleet/a.mcap/'])


def test_resume_runs_the_bags_that_are_left(bags, on_cluster, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    given = ('--bag', *bags, *GROUND_TRUTH, '--out', out)
    original = StandIn.wait
    answers = iter(range(2))

    def wait(self):
        if next(answers, None) is None:
            raise ProcessError('the Ray cluster is lost: continue with --resume')
        return original(self)

    monkeypatch.setattr(StandIn, 'wait', wait)
    code, printed, _ = on_cluster(*given, json_to=tmp_path / 'a.json')
    assert code
    assert 'the Ray cluster is lost: continue with --resume' in printed.err
    monkeypatch.setattr(StandIn, 'wait', original)
    resumed = on_cluster(*given, '--resume', json_to=tmp_path / 'b.json')[2]
    assert resumed['run']['frames_run_before'] == 10
    assert resumed['run']['frames'] == 10
    whole = on_cluster('--bag', *bags, *GROUND_TRUTH, json_to=tmp_path / 'c.json')[2]
    assert figures(resumed) == figures(whole)


def test_bags_at_a_url_are_copied_and_scored(bags, evaluate, on_cluster, tmp_path):
    urls = [f'file://{bag}' for bag in bags]
    _, _, alone = evaluate('--bag', *bags, *GROUND_TRUTH, json_to=tmp_path / 'a.json')
    _, _, found = on_cluster('--bag', *urls, *GROUND_TRUTH, json_to=tmp_path / 'b.json')
    assert found['scores'] == alone['scores']
    assert found['parts'][0]['source']['files'] == [urls[0]]
    assert found['parts'][0]['source']['sha256'] == alone['parts'][0]['source']['sha256']


def test_a_url_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match=r'cannot be read .*: check the URL and the rights'):
        fetch(f'file://{tmp_path}/nothing.mcap', tmp_path)


def test_what_keeps_every_worker_from_working_ends_the_job(
    bags, monkeypatch, on_cluster, tmp_path
):
    def fail(plan):
        raise ConfigError('no such device')

    monkeypatch.setattr(fleet, '_build', fail)
    code, printed, _ = on_cluster('--bag', *bags, *GROUND_TRUTH, json_to=tmp_path / 'a.json')
    assert code
    assert 'a worker cannot evaluate b: no such device' in printed.err


def test_a_cluster_without_workers_is_said():
    class Nothing:
        free = 0

    with pytest.raises(ProcessError, match='has no worker'):
        run_fleet([SimpleNamespace(name='a')], {}, Nothing(), print)


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        (('--jobs', '2', '--ray', 'auto'), 'has --workers instead'),
        (('--workers', '2'), 'are about --ray'),
        (('--ray', 'auto', '--workers', '-1'), 'must not be negative'),
        (('--ray', 'auto', '--write-bag', 'x'), 'which write on this machine'),
    ],
)
def test_arguments_that_do_not_go_together(bags, evaluate, given, text, tmp_path):
    code, printed, _ = evaluate('--bag', bags[0], *given, json_to=tmp_path / 'a.json')
    assert code
    assert text in printed.err


def test_the_page_has_a_row_per_bag_the_worst_first_and_sorts_without_a_server(
    bags, on_cluster, tmp_path
):
    corrupt = tmp_path / 'corrupt.mcap'
    corrupt.write_bytes(b'\x89MCAP0\r\n' + bytes(100))
    given = ('--bag', *bags, corrupt, *GROUND_TRUTH, '--out', tmp_path / 'out')
    on_cluster(*given, json_to=tmp_path / 'a.json')
    page = (tmp_path / 'out' / 'report.html').read_text(encoding='utf-8')
    table = page.partition('Each bag')[2].partition('</table>')[0]
    assert '<table class="sortable">' in table
    names = re.findall(r'<tr><td>(\w+)</td>', table)
    assert names[0] == 'corrupt'
    assert sorted(names[1:]) == ['a', 'b', 'c', 'd']
    assert 'corrupt is not evaluated: ' in table
    assert page.count('<script>') == 1
    assert 'src=' not in page.partition('<script>')[2].partition('</script>')[0]
