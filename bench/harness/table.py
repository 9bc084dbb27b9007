# SPDX-License-Identifier: Apache-2.0
"""Results as text: metric | ours | best rival | ratio | null control | target | met."""

HEADINGS = ("case", "metric", "ours", "best rival", "ratio (min..max)", "null control", "target",
            "met")

# Units that are scaled for reading: the largest factor the value reaches is used.
SCALES = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "us")),
    "B": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
    "count": ((1e6, "M"), (1, "")),
    "1/s": ((1e6, "M/s"), (1e3, "k/s"), (1, "/s")),
}


def quantity(value, unit):
    """0.0421, 's' -> '42.1 ms'. Three significant digits, exact small counts."""
    if value is None:
        return "-"
    if unit == "count" and abs(value) < 1e4 and value == int(value):
        return str(int(value))
    factor, shown = 1, unit
    for scale, name in SCALES.get(unit, ()):
        factor, shown = scale, name
        if abs(value) >= scale:
            break
    return f"{_digits(value / factor)} {shown}".strip()


def ratio(found):
    if found is None:
        return "-"
    return f"{_digits(found.median)} ({_digits(found.low)}..{_digits(found.high)})"


def met(value, has_target):
    if not has_target:
        return ""
    return {True: "yes", False: "NO", None: "not measured"}[value]


def comparison(rows):
    lines = []
    previous = None
    for row in rows:
        rival = f"{quantity(row.rival_value, row.unit)}  {row.rival}" if row.rival else "-"
        lines.append(("" if row.case == previous else row.case, row.metric,
                      quantity(row.ours, row.unit), rival, ratio(row.ratio), ratio(row.null),
                      row.target, met(row.met, bool(row.target))))
        previous = row.case
    return aligned(HEADINGS, lines)


def contenders(raw, units, median):
    """Every contender's medians: the long table of --all."""
    lines = []
    cases = list(dict.fromkeys(case for r in raw for case in r))
    for case in cases:
        labels = sorted({label for r in raw for label in r.get(case, {})})
        metrics = list(dict.fromkeys(m for r in raw for by in r.get(case, {}).values() for m in by))
        for metric in metrics:
            for label in labels:
                value = median(raw, case, label, metric)
                if value is not None:
                    lines.append((case, metric, label, quantity(value, units.get(metric, ""))))
    return aligned(("case", "metric", "contender", "median"), lines)


def aligned(headings, lines):
    table = [tuple(headings)] + [tuple(line) for line in lines]
    widths = [max(len(line[i]) for line in table) for i in range(len(headings))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
             for line in table]
    return "\n".join([shown[0], "-" * max(map(len, shown))] + shown[1:])


def _digits(value):
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
