# SPDX-License-Identifier: Apache-2.0
"""Turns raw rounds into rows: ours, the best rival, the paired ratio, the target, and whether.

A ratio is the median of the per-round ratios ours/rival, with the smallest and the largest: pairs
share their minute, medians shrug off one bad round. A round in which a side is negative, or only
the rival's is zero (the cost drowned in noise), gives no ratio; if fewer than half of the rounds
give one, none is shown. A target compares the median.
"""

import statistics
from dataclasses import asdict, dataclass
from typing import Optional

from .rounds import NULL_SUFFIX


@dataclass
class Ratio:
    median: float
    low: float
    high: float
    rounds: int


@dataclass
class Row:
    case: str
    metric: str
    unit: str
    ours: Optional[float]
    rival: str
    rival_value: Optional[float]
    ratio: Optional[Ratio]
    null: Optional[Ratio]
    target: str
    met: Optional[bool]  # None: no target, or nothing to compare
    why: str

    def as_json(self):
        return asdict(self)


def rows(task, raw, units):
    """One row for each target, then for each listed metric of a case that has no target there."""
    result = []
    for case in [c for c in task.cases if any(c in r for r in raw)]:
        targets = [t for t in task.targets if t.case == case]
        result += [_target_row(task, raw, units, target) for target in targets]
        shown = {t.metric for t in targets}
        for metric in task.rows:
            if metric not in shown and _present(raw, case, metric):
                result.append(_plain_row(task, raw, units, case, metric))
    return result


def paired_ratio(raw, over, under):
    """Ratio of two series; each side is (case, label, metric)."""
    pairs = [(_value(r, *over), _value(r, *under)) for r in raw]
    pairs = [(top, bottom) for top, bottom in pairs if top is not None and bottom is not None]
    # A counted metric may honestly be zero above the line; below it only if both are.
    ratios = [top / bottom if bottom else 1.0 for top, bottom in pairs
              if top >= 0 and (bottom > 0 or top == bottom == 0)]
    if not ratios or 2 * len(ratios) < len(pairs):
        return None
    return Ratio(statistics.median(ratios), min(ratios), max(ratios), len(ratios))


def median(raw, case, label, metric):
    values = [v for v in (_value(r, case, label, metric) for r in raw) if v is not None]
    return statistics.median(values) if values else None


def best_rival(task, raw, case, metric):
    """The rival with the best median, or '' if none has this metric."""
    found = [(median(raw, case, name, metric), name) for name in task.rivals()]
    found = [(value, name) for value, name in found if value is not None]
    if not found:
        return ""
    pick = max if metric in task.higher_is_better else min
    return pick(found)[1]


def _target_row(task, raw, units, target):
    if target.rival_case:
        rival, rival_case = task.ours, target.rival_case
    else:
        rival_case = target.case
        rival = target.rival
        if rival == "best":
            rival = best_rival(task, raw, target.case, target.metric)
    row = _row(task, raw, units, target.case, target.metric, rival, rival_case)
    row.target, row.why = target.shown(), target.why
    measured = row.ours if not target.is_ratio else (row.ratio.median if row.ratio else None)
    if measured is not None:
        row.met = measured <= target.limit if target.op == "<=" else measured >= target.limit
    return row


def _plain_row(task, raw, units, case, metric):
    return _row(task, raw, units, case, metric, best_rival(task, raw, case, metric), case)


def _row(task, raw, units, case, metric, rival, rival_case):
    ours = (case, task.ours, metric)
    shown_rival = rival if rival_case == case else f"{rival} {rival_case}"
    return Row(
        case=case, metric=metric, unit=units.get(metric, ""), ours=median(raw, *ours),
        rival=shown_rival if rival else "",
        rival_value=median(raw, rival_case, rival, metric) if rival else None,
        ratio=paired_ratio(raw, ours, (rival_case, rival, metric)) if rival else None,
        null=_null(task, raw, case, metric), target="", met=None, why="")


def _null(task, raw, case, metric):
    label = task.null if _has(raw, case, task.null + NULL_SUFFIX) else task.baseline
    return paired_ratio(raw, (case, label + NULL_SUFFIX, metric), (case, label, metric))


def _has(raw, case, label):
    return any(label in r.get(case, {}) for r in raw)


def _present(raw, case, metric):
    return any(metric in metrics for r in raw for metrics in r.get(case, {}).values())


def _value(one_round, case, label, metric):
    return one_round.get(case, {}).get(label, {}).get(metric)
