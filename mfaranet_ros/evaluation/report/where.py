# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Conditions on the columns of a table, as text: `brightness < 60 and source == 'monday'`.

Comparisons, `in`, and, or, not, numbers, texts and names of columns; nothing in it is run.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from functools import reduce
from typing import Any

from mfaranet_ros.core.errors import ConfigError

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}  # fmt: skip

MAX_LENGTH = 1000
"""Of a condition; deeper ones could exhaust the parser."""


def parse_where(text: str, columns: Collection[str]) -> Any:
    """Return a condition as an expression of pyarrow; columns: the names it may use.

    Raises ConfigError for what is no condition, and for a column that does not exist.
    """
    try:
        if len(text) > MAX_LENGTH:
            raise ValueError(f'{len(text)} characters, at most {MAX_LENGTH} are read')
        return _Reader(columns).condition(ast.parse(text.strip(), mode='eval').body)
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        reason = error.args[0] if error.args else error
        raise ConfigError(
            f'--where {text[:80]}: {reason}; write a condition such as brightness < 60 and '
            "source == 'monday'"
        ) from error


class _Reader:
    """Turns the tree of a condition into an expression of pyarrow."""

    def __init__(self, columns: Collection[str]) -> None:
        self._columns = columns

    def condition(self, node: ast.expr) -> Any:
        match node:
            case ast.BoolOp(op=how, values=values):
                join = operator.and_ if isinstance(how, ast.And) else operator.or_
                return reduce(join, map(self.condition, values))
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return ~self.condition(inner)
            case ast.Compare(left=left, ops=[ast.In()], comparators=[ast.List() as many]):
                return self.value(left).isin(ast.literal_eval(many))
            case ast.Compare(left=left, ops=operators, comparators=rights):
                return self._chain([left, *rights], operators)
        raise ValueError(f'{ast.unparse(node)} is no condition')

    def value(self, node: ast.expr) -> Any:
        import pyarrow.compute as pc

        match node:
            case ast.BinOp(left=left, op=how, right=right) if type(how) in _ARITHMETIC:
                return _ARITHMETIC[type(how)](self.value(left), self.value(right))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return pc.scalar(-number)
            case ast.Constant(value=int() | float() | str() as value):
                return pc.scalar(value)
            case ast.Name(id=name) if name in self._columns:
                return pc.field(name)
            case ast.Name(id=name):
                raise ValueError(f'no column {name}, choose from {", ".join(self._columns)}')
        raise ValueError(f'{ast.unparse(node)} is no value')

    def _chain(self, sides: list[ast.expr], operators: list[ast.cmpop]) -> Any:
        """Return a < b < c as (a < b) and (b < c)."""
        if not all(type(how) in _COMPARISONS for how in operators):
            raise ValueError('only ==, !=, <, <=, >, >= and `in [...]` compare')
        values = [self.value(side) for side in sides]
        pairs = zip(values, operators, values[1:], strict=False)
        return reduce(
            operator.and_, [_COMPARISONS[type(how)](left, right) for left, how, right in pairs]
        )
