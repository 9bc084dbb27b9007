# SPDX-License-Identifier: Apache-2.0
"""Evaluates the formulas of derived metrics: + - * / over numbers and names, nothing else."""

import ast
import operator

from .problem import Problem

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
              ast.Div: operator.truediv}


def evaluate(formula, values):
    """The formula's value, or None when a name has no value here or a divisor is zero.

    Names may be dotted: `baseline.cpu_s`, `case.events`.
    """
    try:
        return _value(ast.parse(formula, mode="eval").body, formula, values)
    except SyntaxError as error:
        raise Problem(f"task.json: the formula {formula!r} cannot be read: {error.msg}.") from None
    except (KeyError, ZeroDivisionError):
        return None


def _value(node, formula, values):
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return values[f"{node.value.id}.{node.attr}"]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, formula, values),
                                         _value(node.right, formula, values))
    raise Problem(f"task.json: the formula {formula!r} may use numbers, metric names, "
                  "+ - * / and parentheses only.")
