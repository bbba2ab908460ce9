"""From evidence to a verdict on each person, with the reasons in words: `good`, `opinion` (differs from the others in
nothing but what is thought of the images), `watch` (how the person works is worth a look), `suspend`, or `too few`
(answers to say anything)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

TOO_FEW = "too few"  # answers: no verdict at all
VERDICTS = ("suspend", "watch", "opinion", "good", TOO_FEW)  # the worst first
# Of the three sorts of the ratings screen who grades at random passes 0.36 (noise), 0.36 (an untouched photo in colour;
# 0.6 of a grey one) and 0.6 (another photo's edit): 8 % pass one of each, and 13 % where the photos are grey. Who says
# 3 to everything passes all.
LEAST_CHECKS = 3
FAILED = 2  # checks of one screen, from which on they are worth a look: one may be a slip


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Beyond these lies careless work. An interval has to lie beyond as a whole before anybody is to be suspended.

    Tuned on simulated people of the seeds 100 to 119 (`benchmarks/annotator_quality.py`). Thresholds "of the usual" are
    shares of what the median person of the campaign has, so that hard images and few raters are nobody's fault.

    Attributes:
        checks: least share of checks passed.
        honest_checks: share of checks that anybody passes who looks.
        fast: most answers, as a share, that may be faster than possible.
        one_grade: most that one grade may make up; others_grade: by how much it may exceed how often others give it.
        unrelated: agreement below this share of the usual is none.
        reversed: agreement below this is that of somebody who holds the scale the other way round: one dimension's, if
            another agrees as is usual.
        inconsistent: consistency below this is that of somebody who does not look.
        reasons: most reasons, as a share, that may be worthless or copied.
        watch_*: the milder limits from which on a person is worth a look, or thinks otherwise; watch_usual: share of
            the usual, also for regions that others meet and others' regions found. Two or three of them together can
            be proof.
        watch_bias: points of 0..100.
    """

    checks: float = 0.75
    fast: float = 0.3
    one_grade: float = 0.7
    others_grade: float = 0.25
    unrelated: float = 0.35
    reversed: float = -0.2
    inconsistent: float = 0.5
    honest_checks: float = 0.9
    reasons: float = 0.5
    watch_fast: float = 0.05
    watch_usual: float = 0.6
    watch_bias: float = 20.0
    watch_reasons: float = 0.2


@dataclass(frozen=True, slots=True)
class _Usual:
    """What the median person has."""

    agreement: float
    consistency: float
    met: float
    found: float

    @classmethod
    def of(cls, evidence: pd.DataFrame) -> "_Usual":
        medians = (evidence[name].median() for name in ("agreement", "consistency", "met", "found"))
        return cls(*(0.0 if np.isnan(value) else max(0.0, float(value)) for value in medians))


def judge(evidence: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """Verdict and reasons of each row, and a score to rank by.

    Suspension is recommended only for careless work, never for another taste: who agrees with nobody, but passes the
    checks, gives the same answers again, or finds the flaws that others find, is of another opinion at most. So is who
    grades at random half of the time and does nothing else oddly: the grades alone do not tell them apart.

    Args:
        evidence: the columns that `annotation.quality.assess` names.

    Returns:
        columns suspicion (0..1), verdict (one of `VERDICTS`), reasons (sentences, worst first, each with its interval
        of 95 %; for `good` what speaks for it). The index of `evidence`.
    """
    usual = _Usual.of(evidence)
    rows = []
    for row in evidence.itertuples():
        careless = _careless(row, usual, thresholds)
        said = "; ".join(careless)
        odd = _odd_work(row, usual, thresholds, said)
        opinion = _opinion(row, usual, thresholds, said)
        in_favour = _in_favour(row)
        good = "good" if in_favour else TOO_FEW
        verdict = "suspend" if careless else "watch" if odd else "opinion" if opinion else good
        reasons = "; ".join([*careless, *odd, *opinion]) or in_favour or "too few answers to say anything"
        rows.append((verdict, reasons))
    result = pd.DataFrame(rows, columns=["verdict", "reasons"], index=evidence.index)
    result.insert(0, "suspicion", suspicion(evidence))
    return result


def suspicion(evidence: pd.DataFrame) -> np.ndarray:
    """How much speaks for careless work, 0..1; to rank people by, no probability.

    Each kind of evidence gives a share of what it would give at its worst; they add up as independent doubts do:
    1 − Π(1 − weight × share). What is not known gives nothing, and few checks, repeats or regions give little.
    """
    usual = _Usual.of(evidence)
    column = {name: evidence[name].to_numpy(float) for name in evidence.columns if evidence[name].dtype.kind in "fiu"}
    agreement = column["agreement"]
    n_repeats = column["n_repeats"]
    consistency = (n_repeats * column["consistency"] + 2 * usual.consistency) / (n_repeats + 2)
    n_checks = column["n_checks"]
    doubts = [
        (1.0, 1 - (column["passed"] * n_checks + 2) / (n_checks + 2)),
        (1.0, 1 - column["passed_regions_high"]),  # of these most people see one or two
        (0.95, column["fast_low"]),
        (0.8, (column["one_grade"] - column["one_grade_others"] - 0.25) / 0.5),
        (0.8, 1 - agreement / (0.7 * usual.agreement + 1e-9)),
        (0.9, -agreement / 0.4),
        (0.5, 1 - consistency / (0.8 * usual.consistency + 1e-9)),
        (0.4, 1 - column["met_high"] / (0.8 * usual.met + 1e-9)),
        (0.7, 1 - column["found_high"] / (0.8 * usual.found + 1e-9)),
        (0.9, column["worthless_low"]),
        (0.9, column["copied_low"]),
    ]
    trust = np.ones(len(evidence))
    for weight, share in doubts:
        trust *= 1 - weight * np.clip(np.nan_to_num(share), 0, 1)
    return 1 - trust


def _careless(row: object, usual: _Usual, limits: Thresholds) -> list[str]:
    """What calls for suspension, in words."""
    at = _Reader(row)
    unrelated = at["agreement_high"] < limits.unrelated * usual.agreement
    met_few = at["met_high"] < limits.watch_usual * usual.met
    found_few = at["found_high"] < limits.watch_usual * usual.found
    # Who passed the checks, or finds what others find, looks, and means what the grades say.
    passed = at["n_checks"] >= LEAST_CHECKS and at["passed"] >= limits.honest_checks
    looks = passed or at["found_low"] > usual.found / 2
    # A scale that is read upside down fails the checks that ask for it; `_opinion` says so.
    upside_down = _is_upside_down(at, usual, limits)
    rules = [
        (at["passed_high"] < limits.checks and not upside_down, _checks(at, limits)),
        (at["passed_regions_high"] < limits.checks, _region_checks(at, limits)),
        (at["fast_low"] > limits.fast, _fast(at)),
        (
            at["one_grade_low"] > max(limits.one_grade, at["one_grade_others"] + limits.others_grade)
            and at["agreement_high"] < limits.watch_usual * usual.agreement,
            _one_grade(at),
        ),
        (
            # Without failed checks the scales may have been read upside down: `_opinion` says so.
            at["agreement_high"] < limits.reversed
            and at["n_checks"] >= LEAST_CHECKS
            and at["passed_high"] < limits.honest_checks
            and not looks
            and not upside_down,
            f"grades run against everybody's, as if the scale were held the other way round: {_agreement(at)}",
        ),
        (
            unrelated and at["consistency_high"] < limits.inconsistent and not looks,
            f"agrees neither with others ({_agreement(at)}) nor with what was said before ({_consistency(at)})",
        ),
        (
            unrelated and limits.checks <= at["passed_high"] < limits.honest_checks and not upside_down,
            f"agrees with nobody ({_agreement(at)}) and {_checks(at, limits)}",
        ),
        (
            unrelated and met_few and found_few,
            f"neither grades ({_agreement(at)}) nor regions have to do with the image: {_met(at)}, and {_found(at)}",
        ),
        (at["worthless_low"] > limits.reasons, _worthless(at)),
        (at["copied_low"] > limits.reasons, _copied(at)),
        (
            found_few and limits.watch_reasons < at["worthless_low"] <= limits.reasons,
            f"{_found(at)}, and {_worthless(at)}",
        ),
    ]
    return [words for holds, words in rules if holds]


def _is_upside_down(at: "_Reader", usual: _Usual, limits: Thresholds) -> bool:
    """Whether the grades of one dimension run against everybody's, and those of another as is usual."""
    agrees = at["best_agreement_low"] > limits.watch_usual * usual.agreement
    return agrees and at["worst_agreement_high"] < limits.reversed


def _odd_work(row: object, usual: _Usual, limits: Thresholds, said: str) -> list[str]:
    """What is worth a look in how the person works and no proof, in words; without what was said already."""
    at = _Reader(row)
    mild = limits.watch_usual
    rules = [
        (
            at["passed"] < limits.checks
            and _failed("passed", "n_checks", at) >= FAILED
            and not _is_upside_down(at, usual, limits),
            _checks(at, limits),
            "",
        ),
        (
            at["passed_regions"] < limits.checks and _failed("passed_regions", "n_region_checks", at) >= FAILED,
            _region_checks(at, limits),
            "",
        ),
        (at["fast_low"] > limits.watch_fast, _fast(at), ""),
        (
            at["consistency_high"] < mild * usual.consistency,
            _consistency(at),
            f"answers otherwise when asked again (the usual {usual.consistency:.2f}): ",
        ),
        (at["met_high"] < mild * usual.met, _met(at), f"where {usual.met:.0%} are usual, "),
        (at["found_high"] < mild * usual.found, _found(at), f"where {usual.found:.0%} are usual, "),
        (at["worthless_low"] > limits.watch_reasons, _worthless(at), ""),
        (at["copied_low"] > limits.watch_reasons, _copied(at), ""),
    ]
    return _unsaid(rules, said)


def _opinion(row: object, usual: _Usual, limits: Thresholds, said: str) -> list[str]:
    """In what the person's opinion of the images is not that of the others, in words; without what was said already."""
    at = _Reader(row)
    rules = [
        (
            _is_upside_down(at, usual, limits),
            f"rank correlation of {row.worst_dimension} {_number('worst_agreement', at)}",  # type: ignore[attr-defined]
            f"one scale may have been read the other way round, to be asked: others agree with {_of_best(at)}, but ",
        ),
        (
            at["agreement_high"] < limits.watch_usual * usual.agreement,
            _agreement(at),
            "grades run against everybody's; ask whether the scale was read the other way round: "
            if at["agreement_high"] < 0
            else f"agrees little with others, as another taste would too (the usual {usual.agreement:.2f}): ",
        ),
        (at["bias_low"] > limits.watch_bias or at["bias_high"] < -limits.watch_bias, _bias(at), ""),
    ]
    return _unsaid(rules, said)


def _unsaid(rules: list[tuple[bool, str, str]], said: str) -> list[str]:
    return [before + measure for holds, measure, before in rules if holds and measure not in said]


def _in_favour(row: object) -> str:
    at = _Reader(row)
    known = [
        (at["n_checks"] > 0, f"passed {_of('passed', at)} of the checks"),
        (at["n_region_checks"] > 0, f"passed {_of('passed_regions', at)} of the checks of regions"),
        (at["agreement"] == at["agreement"], f"agreement with the others: {_agreement(at)}"),
        (at["found_n"] > 0, _found(at)),
    ]
    return "; ".join(words for holds, words in known if holds)


class _Reader:
    """The numbers of a row by name; NaN compares as false, so that what is not known never speaks against anybody."""

    def __init__(self, row: object) -> None:
        self._row = row

    def __getitem__(self, name: str) -> float:
        return float(getattr(self._row, name))


def _of(name: str, at: _Reader) -> str:
    return f"{at[name]:.0%} ({at[name + '_low']:.0%} to {at[name + '_high']:.0%})"


def _number(name: str, at: _Reader) -> str:
    low = at[name + "_low"]
    return f"{at[name]:.2f} ({max(low, -1):.2f} to {at[name + '_high']:.2f})"


def _of_best(at: _Reader) -> str:
    return f"another dimension ({_number('best_agreement', at)})"


def _failed(share: str, n: str, at: _Reader) -> float:
    return round(at[n] * (1 - at[share])) if at[n] > 0 else 0


def _checks(at: _Reader, limits: Thresholds) -> str:
    return f"passed {_of('passed', at)} of {at['n_checks']:.0f} checks, where {limits.checks:.0%} are the least"


def _region_checks(at: _Reader, limits: Thresholds) -> str:
    share, least = _of("passed_regions", at), f"{limits.checks:.0%} are the least"
    return f"passed {share} of {at['n_region_checks']:.0f} checks of regions, where {least}"


def _fast(at: _Reader) -> str:
    return f"{_of('fast', at)} of {at['n_timed']:.0f} answers came faster than anybody can look and answer"


def _one_grade(at: _Reader) -> str:
    return (
        f"one grade makes up {_of('one_grade', at)}, given by others to {at['one_grade_others']:.0%} of the same edits"
    )


def _agreement(at: _Reader) -> str:
    return f"rank correlation with them {_number('agreement', at)} over {at['n_edits']:.0f} edits"


def _consistency(at: _Reader) -> str:
    return f"consistency {_number('consistency', at)} over {at['n_repeats']:.0f} repeated edits"


def _met(at: _Reader) -> str:
    return f"others see something in {_of('met', at)} of this person's {at['met_n']:.0f} regions"


def _found(at: _Reader) -> str:
    return f"found {_of('found', at)} of about {at['found_n']:.0f} flaws that most others marked"


def _bias(at: _Reader) -> str:
    where = "above" if at["bias"] > 0 else "below"
    low, high = sorted((abs(at["bias_low"]), abs(at["bias_high"])))
    points = f"{abs(at['bias']):.0f} points of 100 ({low:.0f} to {high:.0f})"
    return f"grades {points} {where} the others, which scores allow for"


def _worthless(at: _Reader) -> str:
    return f"{_of('worthless', at)} of {at['n_reasons']:.0f} reasons are not worth reading"


def _copied(at: _Reader) -> str:
    return f"{_of('copied', at)} of {at['n_reasons']:.0f} reasons are one frame of words used again and again"
