# SPDX-License-Identifier: Apache-2.0
"""The measuring loop: interleaved, rotated, with a null control.

  for each round, for each case: every contender once, starting one place further than last round.

So a slow minute of the machine hits every contender alike, and nobody always goes first. Numbers
are only ever compared inside one round (see judge.py).

The null control is one contender measured a second time under another label ("ours*"): what the
harness says about the pair is its own noise. A baseline runs first and last in every round, and
its cost in that round is the mean of both: an added cost is a small difference, and one bad
baseline would spoil it for everybody.
"""

from .arithmetic import evaluate

NULL_SUFFIX = "*"  # "ours*" is ours under its second label


def labels_of(case_options, contenders, null, baseline, number):
    """What runs in one case of round `number`, in order: [(label, contender)]."""
    allowed = case_options.get("contenders")
    chosen = [c for c in contenders if allowed is None or c.name in allowed]
    middle = [(c.name, c) for c in chosen if c.name != baseline]
    if case_options.get("null", True):
        middle += [(c.name + NULL_SUFFIX, c) for c in chosen if c.name == null != baseline]
    ends = [c for c in chosen if c.name == baseline]
    return ([(c.name, c) for c in ends] + rotated(middle, number) +
            [(c.name + NULL_SUFFIX, c) for c in ends])


def rotated(items, by):
    by %= max(1, len(items))
    return items[by:] + items[:by]


def run(task, runner, cases, contenders, null, rounds, say):
    """Measures everything. Returns (raw rounds, facts, units).

    raw rounds: [{case: {label: {metric: value}}}], one entry a round, derived metrics included.
    """
    units = dict(task.units)
    facts = {}
    for case in cases:
        say(f"{task.name} {case}: counting")
        found = runner.facts(case)
        units.update({k: unit for k, (_, unit) in found.items()})
        facts[case] = {k: value for k, (value, _) in found.items()}
    raw = []
    for number in range(rounds):
        this_round = {}
        for case in cases:
            this_round[case] = {}
            for label, contender in labels_of(task.cases[case], contenders, null, task.baseline,
                                              number):
                say(f"{task.name} round {number + 1}/{rounds}, {case}: {label}")
                with_phases = task.phase_rounds == 0 or number < task.phase_rounds
                measured = runner.measure(contender, case, with_phases)
                units.update({k: unit for k, (_, unit) in measured.items()})
                this_round[case][label] = {k: value for k, (value, _) in measured.items()}
            derive(task, this_round[case], facts[case])
        raw.append(this_round)
    return raw, facts, units


def derive(task, by_label, facts):
    """Adds the task's derived metrics to every label of one case of one round, in place.

    A formula sees the label's own metrics (earlier formulas included), `baseline.<metric>` (the
    mean of the round's two) and `case.<fact>`. Where something is missing the metric is left out.
    """
    ends = (task.baseline, task.baseline + NULL_SUFFIX)
    known = {f"case.{k}": v for k, v in facts.items()}
    if all(label in by_label for label in ends):
        first, last = (by_label[label] for label in ends)
        known.update({f"baseline.{k}": (first[k] + last[k]) / 2 for k in first if k in last})
    for label, metrics in by_label.items():
        if label in ends:
            continue
        for metric, formula in task.derived.items():
            value = evaluate(formula, {**known, **metrics})
            if value is not None:
                metrics[metric] = value
