# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How much of the package has complete docstrings; run as a script, it lists what is missing.

Complete means, for every public module, class, function, method and property:

* the docstring begins with one sentence,
* arrays and tensors among arguments and results have a shape or a dtype, in the docstring itself
  or in that of the class,
* the errors of core/errors.py that it raises itself are named after the word "raise" (of
  `__init__`: in the docstring of the class).
"""

import ast
import re
import sys
from pathlib import Path

import mfaranet_ros
from mfaranet_ros.core import errors

PACKAGE = Path(mfaranet_ros.__file__).parent
LEAST_SHARE = 0.95

ARRAYS = re.compile(
    r'(?<!dict\[str, )\b(NDArray|Tensor|Pixels|Floats|Singles|Ints|Indices|Mask|Rgb|ArrayLike)\b'
)
SHAPE = re.compile(
    r'\([A-Za-z0-9 *+/.,]+,[A-Za-z0-9 *+/.,]*\)|\b(uint8|int\d+|float\d+|bool|any shape)\b'
)
ERRORS = {name for name in vars(errors) if name.endswith('Error')}


def main():
    """Print every gap and the share."""
    gaps, count = measure()
    print(*gaps, sep='\n')
    print(f'{count - len(gaps)} of {count} complete: {1 - len(gaps) / count:.1%}')


def test_docstrings_are_complete():
    gaps, count = measure()
    share = 1 - len(gaps) / count
    print(f'complete docstrings: {count - len(gaps)} of {count}, {share:.1%}')
    assert share >= LEAST_SHARE, '\n'.join(gaps)


def measure():
    """Return a line for each public name with an incomplete docstring, and how many there are."""
    gaps, count = [], 0
    for path in sorted(PACKAGE.rglob('*.py')):
        name = '.'.join(path.relative_to(PACKAGE).with_suffix('').parts)
        tree = ast.parse(path.read_text(encoding='utf-8'))
        for public, node, context in public_nodes(tree, name):
            count += 1
            missing = lacks(node, context)
            if missing:
                gaps.append(f'{public}: {missing}')
    return gaps, count


def public_nodes(node, name, context=''):
    """Yield name, node and the docstring of the class around it, of all that is public."""
    yield name, node, context
    for child in getattr(node, 'body', ()):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        if (is_function or isinstance(child, ast.ClassDef)) and not child.name.startswith('_'):
            inner = (ast.get_docstring(node) or '') if isinstance(node, ast.ClassDef) else ''
            if isinstance(child, ast.ClassDef):
                yield from public_nodes(child, f'{name}.{child.name}')
            elif not is_overload(child):
                yield f'{name}.{child.name}', child, inner


def is_overload(function):
    return any('overload' in ast.unparse(decorator) for decorator in function.decorator_list)


def lacks(node, context):
    """Return what the docstring of a node lacks, or an empty text."""
    text = ast.get_docstring(node)
    if not text:
        return 'no docstring'
    if not re.match(r'[^\n]+(\n[^\n]+)*?[.:?!)](\s|$)', text):
        return f'begins with no sentence: {text.splitlines()[0]!r}'
    if isinstance(node, ast.Module):
        return ''
    around = f'{text}\n{context}'
    if has_arrays(node) and not SHAPE.search(around):
        return 'no shape or dtype of its arrays'
    unnamed = sorted(error for error in raised_by(node) if error not in around)
    return f'does not say that it raises {", ".join(unnamed)}' if unnamed else ''


def has_arrays(node):
    if isinstance(node, ast.ClassDef):
        annotations = [field.annotation for field in node.body if isinstance(field, ast.AnnAssign)]
        annotations += [
            argument.annotation
            for method in node.body
            if isinstance(method, ast.FunctionDef) and method.name == '__init__'
            for argument in arguments_of(method)
        ]
    else:
        annotations = [argument.annotation for argument in arguments_of(node)] + [node.returns]
    return any(ARRAYS.search(ast.unparse(annotation)) for annotation in annotations if annotation)


def arguments_of(function):
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def raised_by(node):
    """Return the names of our errors that a function, or a class when it is made, raises."""
    if isinstance(node, ast.ClassDef):
        makers = ('__init__', '__post_init__')
        bodies = [
            method
            for method in node.body
            if isinstance(method, ast.FunctionDef) and method.name in makers
        ]
    else:
        bodies = [node]
    return {
        ast.unparse(statement.exc.func)
        for body in bodies
        for statement in ast.walk(body)
        if isinstance(statement, ast.Raise) and isinstance(statement.exc, ast.Call)
    } & ERRORS


if __name__ == '__main__':
    sys.exit(main())
