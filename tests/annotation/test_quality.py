import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, spearmanr
from shapely.geometry import Polygon as ShapelyPolygon

from annotation.intervals import consistency_interval, share_interval, share_of_each
from annotation.people import Person
from annotation.quality import TABLES_READ, assess
from annotation.rating_evidence import rating_evidence
from annotation.reason_evidence import reason_evidence
from annotation.region_evidence import TOUCH_IOU, region_evidence
from annotation.verdicts import Thresholds, judge
from benchmarks.annotator_quality import answer, auc, make_thing, name_of
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS, TABLES

PEOPLE = 30


def campaign(manners: list[str], seed: int = 200, n_edits: int = 120, checks: float = 0.05, repeats: float = 0.05):
    """Tables of a campaign of 30 people, of whom the first have these manners."""
    everybody = manners + ["honest"] * (PEOPLE - len(manners))
    people = [Person.make(number, seed, manner) for number, manner in enumerate(everybody, start=1)]
    things = [make_thing(seed, index) for index in range(n_edits)]
    return answer(people, things, seed, checks, repeats, 4), {name_of(one): one.manner for one in people}


def empty(name: str) -> pd.DataFrame:
    return pd.DataFrame(columns=TABLES[name].names)


def rating_rows(grades: dict[str, dict[str, float]], dimension: str = DIMENSIONS[0], **more) -> pd.DataFrame:
    """Person → edit → grade, as rows of the table `ratings`."""
    rows = [
        {
            "edit_id": edit, "annotator": person, "annotator_kind": "human", "dimension": dimension, "score": grade,
            "scale_min": 1.0, "scale_max": 5.0, "session": "1", "position": position, "lead_time_s": 20.0,
            "submitted_at": f"2026-01-01T00:{position:02d}:00", "repeat": False, "check": False, "screened": False,
            **more,
        }
        for person, of_edit in grades.items()
        for position, (edit, grade) in enumerate(of_edit.items())
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=TABLES["ratings"].names)


def box(left: float, top: float, width: float, height: float) -> list[list[list[float]]]:
    return [[[left, top], [left + width, top], [left + width, top + height], [left, top + height]]]


def drawings(rows: list[tuple[str, str, list]], inspected: list[tuple[str, str]], description: str = "a bent finger"):
    regions = [
        {
            "edit_id": edit, "annotator": person, "annotator_kind": "human", "region_id": str(number),
            "kind": "artifact", "flaw_type": "texture_noise", "extent": "region" if polygon else "whole",
            "polygon": polygon, "source_polygon": [], "description": description, "assisted": False,
            "lead_time_s": 40.0, "submitted_at": "2026",
        }
        for number, (person, edit, polygon) in enumerate(rows)
    ]  # fmt: skip
    answers = [
        {
            "edit_id": edit, "annotator": person, "annotator_kind": "human", "project_type": "regions",
            "outcome": "answered", "reason": "", "lead_time_s": 40.0, "submitted_at": "2026", "screened": False,
        }
        for person, edit in inspected
    ]  # fmt: skip
    columns = (TABLES["regions"].names, TABLES["answers"].names)
    return pd.DataFrame(regions, columns=columns[0]), pd.DataFrame(answers, columns=columns[1])


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_of_a_share_is_that_of_scipys_exact_test(k, more):
    low, high = share_interval(np.array(k), np.array(k + more))
    if k + more == 0:
        assert (low, high) == (0, 1)
        return
    expected = binomtest(k, k + more).proportion_ci(0.95, method="exact")
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_of_consistency_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    truth = 1 - 0.5**2 / (1 + 0.5**2)
    for n in (6, 30):
        before, again = rng.normal(0, 0.5, (2, 4000, n))
        within = ((before - again) ** 2).mean(axis=1) / 2
        low, high = consistency_interval(1 - within / 1.25, np.full(4000, n))
        assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.95, abs=0.015)


def held_often_enough(held: int, of: int, least: float = 0.9) -> bool:
    """Whether an interval that holds the truth that often could have done so (1 of 1,000 by accident)."""
    return held >= binom.ppf(0.001, of, least)


@pytest.mark.parametrize("together", [0.0, 0.5, 0.8])
def test_the_interval_of_consistency_holds_the_truth_where_slips_of_one_edit_go_together(together):
    rng = np.random.default_rng(7)
    n, dimensions = 2000, 3
    for edits in (4, 12):
        common = rng.normal(size=(2, n, edits, 1)) * np.sqrt(together)
        slips = 0.5 * (common + np.sqrt(1 - together) * rng.normal(size=(2, n, edits, dimensions)))
        within = ((slips[0] - slips[1]) ** 2).mean(axis=(1, 2)) / 2
        truth = 1 - 0.25 / 1.25
        low, high = consistency_interval(1 - within / 1.25, np.full(n, edits))
        assert held_often_enough(((low <= truth) & (truth <= high)).sum(), n)
        if together == 0.8:  # as of independent ratings: what it was
            low, high = consistency_interval(1 - within / 1.25, np.full(n, dimensions * edits))
            assert not held_often_enough(((low <= truth) & (truth <= high)).sum(), n)


def test_repeats_are_counted_by_edits():
    grades = {name: {str(i): float(1 + (i * 7 + len(name)) % 5) for i in range(8)} for name in ("a", "bb")}
    tables = [rating_rows(grades, name) for name in DIMENSIONS]
    again = [rating_rows({"a": {edit: grades["a"][edit] for edit in "012"}}, name, repeat=True) for name in DIMENSIONS]
    result = rating_evidence(pd.concat([*tables, *again]), pd.Index(["a", "bb"]))
    assert result["n_repeats"].tolist() == [3, 0]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_interval_of_a_share_holds_the_truth_where_what_is_of_one_edit_goes_together(share):
    rng = np.random.default_rng(8)
    n, edits, each = 1500, 12, 5
    of_edit = rng.beta(share, 1 - share, (n, edits))  # half of the variance is the edit's
    k = (rng.random((each, n, edits)) < of_edit).astype(float)
    person, edit = (np.broadcast_to(one, k.shape).ravel() for one in np.indices((n, edits)))
    _, total, low, high = share_of_each(person, edit, k.ravel(), np.ones(k.size), n)
    assert (total == edits * each).all()
    assert held_often_enough(((low <= share) & (share <= high)).sum(), n)
    low, high = share_interval(k.sum(axis=(0, 2)), np.full(n, edits * each))
    assert not held_often_enough(((low <= share) & (share <= high)).sum(), n)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=12))
def test_a_share_of_single_answers_lies_in_the_limits_of_clopper_and_pearson_or_wider(rows):
    person = np.array([who for who, _ in rows], int)
    k = np.array([has for _, has in rows], float)
    share, total, low, high = share_of_each(person, np.arange(len(rows)), k, np.ones(len(rows)), 3)
    for who in range(3):
        own = k[person == who]
        expected_low, expected_high = share_interval(own.sum(), np.array(len(own)))
        assert total[who] == len(own)
        assert np.isnan(share[who]) if not len(own) else share[who] == pytest.approx(own.mean())
        assert low[who] == pytest.approx(expected_low)
        assert high[who] == pytest.approx(expected_high)


def test_the_intervals_of_bias_and_inconsistency_hold_the_truth_where_slips_of_one_edit_go_together():
    rng = np.random.default_rng(9)
    n, edits, sigma = 400, 40, 0.3
    names = list(map(str, range(edits)))
    # Nobody of those who are measured is among the others, who are exact.
    exact = {f"other{i}": dict.fromkeys(names, 3.0) for i in range(2)}
    common = rng.normal(size=(n, edits)) * np.sqrt(0.8)
    tables = []
    for dimension in DIMENSIONS:
        own = 3.4 + sigma * (common + np.sqrt(0.2) * rng.normal(size=(n, edits)))
        grades = {f"own{i}": dict(zip(names, own[i], strict=True)) for i in range(n)}
        tables += [rating_rows(exact, dimension), rating_rows(grades, dimension, screened=True)]
    people = pd.Index([*exact, *(f"own{i}" for i in range(n))])
    result = rating_evidence(pd.concat(tables), people)[2:]
    for name, truth in (("bias", 10.0), ("inconsistency", 25 * sigma)):
        held = (result[f"{name}_low"] <= truth) & (truth <= result[f"{name}_high"])
        assert held_often_enough(held.sum(), n)
    # As of independent ratings, which is what it was:
    reach = 1.96 * 1.2533 * result["inconsistency"] / np.sqrt(edits * len(DIMENSIONS))
    assert not held_often_enough(((result["bias"] - 10).abs() <= reach).sum(), n)


def test_the_interval_of_agreement_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(120):
        quality = rng.normal(size=60)
        # The others are many and exact: what is left is the person's own sampling.
        own = 0.5 * quality + np.sqrt(0.75) * rng.normal(size=60)
        grades = {f"other{i}": dict(zip(map(str, range(60)), quality, strict=True)) for i in range(3)}
        grades["own"] = dict(zip(map(str, range(60)), own, strict=True))
        row = rating_evidence(rating_rows(grades), pd.Index(sorted(grades))).loc["own"]
        truth = 6 / np.pi * np.arcsin(0.5 / 2)  # Spearman's of a bivariate normal with correlation 0.5
        held += row["agreement_low"] <= truth <= row["agreement_high"]
    assert 0.88 <= held / 120 <= 1


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_agreement_of_equals_is_the_rank_correlation_with_the_mean_of_the_others(seed):
    rng = np.random.default_rng(seed)
    names = [f"edit{i}" for i in range(12)]
    quality = rng.uniform(2, 4, 12)
    # Two people: whoever they are, each is all of the other's others, however they are weighted.
    scores = {person: dict(zip(names, quality + rng.normal(0, 0.5, 12), strict=True)) for person in "ab"}
    result = rating_evidence(rating_rows(scores), pd.Index(["a", "b"]))
    expected = spearmanr(list(scores["a"].values()), list(scores["b"].values())).statistic
    assert result["agreement"].to_numpy() == pytest.approx([expected, expected])


def test_bias_is_found_in_points_of_a_hundred_and_one_mad_person_does_not_move_it():
    rng = np.random.default_rng(3)
    quality = rng.uniform(2, 4, 200)
    people = {f"p{i}": quality + rng.normal(0, 0.3, 200) for i in range(8)}
    people["harsh"] = quality - 0.8 + rng.normal(0, 0.3, 200)
    people["mad"] = rng.uniform(1, 5, 200)
    grades = {name: dict(zip(map(str, range(200)), values, strict=True)) for name, values in people.items()}
    result = rating_evidence(rating_rows(grades), pd.Index(sorted(grades)))
    assert result.loc["harsh", "bias"] == pytest.approx(-20, abs=3)
    assert result.loc["harsh", "bias_low"] < -20 + 3
    assert result.loc[[f"p{i}" for i in range(8)], "bias"].abs().max() < 4
    assert result.loc["p0", "inconsistency"] == pytest.approx(0.3 * 25, rel=0.25)
    assert result.loc["mad", "inconsistency"] > 20


def test_a_dimension_in_which_everybody_is_of_one_mind_says_nothing_of_anybody():
    rng = np.random.default_rng(4)
    grades = {name: {str(i): float(rng.integers(1, 6)) for i in range(30)} for name in "abc"}
    same = {name: dict.fromkeys(of_edit, 3.0) for name, of_edit in grades.items()}
    people = pd.Index(list("abc"))
    alone = rating_evidence(rating_rows(grades), people)["agreement"]
    both = rating_evidence(pd.concat([rating_rows(grades), rating_rows(same, DIMENSIONS[1])]), people)["agreement"]
    assert both.to_numpy() == pytest.approx(alone.to_numpy())
    assert rating_evidence(rating_rows(same), people)["agreement"].isna().all()


def test_repeats_count_for_consistency_and_checks_and_repeats_for_nothing_else():
    rng = np.random.default_rng(5)
    grades = {name: {str(i): float(rng.integers(1, 6)) for i in range(40)} for name in "abc"}
    first = rating_rows(grades)
    same = rating_rows({"a": grades["a"]}, repeat=True)
    other = rating_rows({"b": {edit: 6 - grade for edit, grade in grades["b"].items()}}, repeat=True)
    noise = rating_rows({"c": dict.fromkeys(grades["c"], 5.0)}, check=True)
    people = pd.Index(list("abc"))
    plain, all_of_it = rating_evidence(first, people), rating_evidence(pd.concat([first, same, other, noise]), people)
    assert all_of_it["consistency"].iloc[0] == 1
    assert all_of_it["consistency"].iloc[1] < 0
    assert np.isnan(all_of_it["consistency"].iloc[2])
    untouched = [name for name in plain if "consistency" not in name and name not in ("n_repeats",)]
    untouched = [name for name in untouched if not name.startswith("inconsistency")] + ["inconsistency"]
    pd.testing.assert_frame_equal(plain[untouched], all_of_it[untouched])


def test_whoever_was_set_aside_is_assessed_but_is_nobody_among_the_others():
    rng = np.random.default_rng(6)
    grades = {name: {str(i): float(rng.integers(1, 6)) for i in range(40)} for name in "abcd"}
    people = pd.Index(list("abcd"))
    without = rating_evidence(rating_rows({name: grades[name] for name in "abc"}), pd.Index(list("abc")))
    table = rating_rows(grades)
    table["screened"] = table["annotator"] == "d"
    result = rating_evidence(table, people)
    columns = ["agreement", "agreement_low", "bias", "inconsistency", "one_grade_others"]
    pd.testing.assert_frame_equal(result.loc[list("abc"), columns], without[columns])
    assert np.isfinite(result.loc["d", "agreement"])


def test_the_longest_run_is_of_one_grade_edit_after_edit():
    grades = {"a": dict(zip("stuvwxyz", [1, 2, 2, 2, 3, 2, 1, 1], strict=True)), "b": dict.fromkeys("stu", 4)}
    result = rating_evidence(rating_rows(grades), pd.Index(["a", "b"]))
    assert result["longest_run"].tolist() == [3, 3]
    assert result["entropy"].tolist() == pytest.approx([1.4056, 0], abs=1e-3)
    assert result["one_grade"].tolist() == [0.5, 1]


POLYGONS = st.one_of(
    st.just([]),
    st.builds(box, st.floats(0, 0.6), st.floats(0, 0.6), st.floats(0.05, 0.4), st.floats(0.05, 0.4)),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), POLYGONS), min_size=1, max_size=12))
def test_regions_met_and_found_are_those_that_a_plain_loop_counts(rows):
    inspected = [(person, edit) for person in "abcd" for edit in "xy"]
    result = region_evidence(*drawings(rows, inspected), pd.Index(list("abcd")))

    def meet(one, other) -> bool:
        if one[1] != other[1] or bool(one[2]) != bool(other[2]):
            return False
        if not one[2]:
            return True
        left, right = ShapelyPolygon(one[2][0]), ShapelyPolygon(other[2][0])
        return left.intersection(right).area >= TOUCH_IOU * left.union(right).area

    for person in "abcd":
        own = [row for row in rows if row[0] == person]
        met = [any(meet(row, other) for other in rows if other[0] != person) for row in own]
        assert result.loc[person, "met_n"] == len(own)
        if own:
            assert result.loc[person, "met"] == pytest.approx(np.mean(met))
        found = of = 0.0
        for row in rows:
            who = {row[0]} | {other[0] for other in rows if meet(row, other)}
            if len(who - {person}) >= 2:  # of three others that is more than half
                of += 1 / len(who)
                found += (person in who) / len(who)
        assert result.loc[person, "found_n"] == pytest.approx(of)
        if of:
            assert result.loc[person, "found"] == pytest.approx(found / of)


def test_a_region_all_over_the_image_meets_no_small_one():
    rows = [("a", "x", box(0, 0, 1, 1)), ("b", "x", box(0.4, 0.4, 0.1, 0.1)), ("c", "x", box(0.42, 0.4, 0.1, 0.1))]
    result = region_evidence(*drawings(rows, [(name, "x") for name in "abc"]), pd.Index(list("abc")))
    assert result["met"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("text", "is_worthless"),
    [
        ("", True), ("...", True), ("bad", True), ("12345 67890!", True), ("Texture noise?", True), ("да", True),
        ("the hand has six fingers", False), ("на руке шесть пальцев", False), ("手の指が六本ある", False),
    ],
)  # fmt: skip
def test_a_reason_that_says_nothing_is_worthless_in_any_script(text, is_worthless):
    regions, _ = drawings([("a", "x", box(0, 0, 0.1, 0.1))], [("a", "x")], text)
    assert reason_evidence(regions, pd.Index(["a"]))["worthless"].item() == is_worthless


def test_a_frame_used_again_is_copied_but_not_what_everybody_says_nor_short_words():
    parts = [f"{a} {b}" for a in ("left", "right", "upper", "lower") for b in ("hand", "sky", "wall", "tree")]
    frame = "The edited image shows a visible flaw at the {} which detracts from the overall realism of the scene"
    own = "{0}: I looked at {0} twice and {1} is bent where {1} meets the {2}, which no real {0} would ever do"
    rows = []
    for person in "abcdef":
        for index, part in enumerate(parts):
            words = (part, parts[index - 3], f"{person}{index}")
            text = frame.format(part) if person == "a" else own.format(*words) if person == "b" else f"blurred {part}"
            regions, _ = drawings([(person, f"edit{index}", box(0, 0, 0.1, 0.1))], [], text)
            rows.append(regions)
    people = pd.Index(list("abcdef"))
    copied = reason_evidence(pd.concat(rows, ignore_index=True), people)["copied"]
    assert copied["a"] == 1
    assert copied["c":].eq(0).all()
    said_by_all = pd.concat([drawings([(person, f"e{i}", box(0, 0, 0.1, 0.1))], [], frame.format(part))[0]
                             for person in people for i, part in enumerate(parts)], ignore_index=True)  # fmt: skip
    assert reason_evidence(said_by_all, people)["copied"].eq(0).all()


def test_nobody_is_judged_by_nothing():
    assert assess(*(empty(name) for name in TABLES_READ)).empty
    (ratings, *_), _ = campaign([], n_edits=4)
    result = assess(ratings, empty("regions"), empty("answers"), empty("check_answers"))
    assert len(result) == ratings["annotator"].nunique()
    said_too_few = result["reasons"] == "too few answers to say anything"
    assert (result["verdict"] == np.where(said_too_few, "too few", "good")).all()
    assert said_too_few.any()
    assert not said_too_few.all()


@pytest.mark.parametrize("mix", [["random", "straight_lining", "too_fast"] * 2, ["hostile"] * 4, ["pasting"] * 4])
def test_who_does_not_work_is_found_and_nobody_honest_is_wronged(mix):
    tables, manner_of = campaign(mix, n_edits=200)
    result = assess(*tables)
    manners = result["annotator"].map(manner_of)
    assert auc(result["suspicion"].to_numpy(), manners.isin(mix).to_numpy()) >= 0.95
    assert (result.loc[manners == "honest", "verdict"] != "suspend").all()
    assert (result.loc[manners.isin(mix), "verdict"] == "suspend").mean() >= 0.5
    assert (result.loc[manners.isin(mix), "verdict"] != "good").all()


def test_another_taste_or_a_bias_is_no_reason_to_suspend():
    tables, manner_of = campaign(["dissenting"] * 5 + ["biased"] * 5)
    result = assess(*tables)
    assert (result["verdict"] != "suspend").all()
    biased = result[result["annotator"].map(manner_of) == "biased"]
    assert biased["reasons"].str.contains("points of 100").mean() > 0.5


def test_every_suspension_names_a_figure_its_interval_and_how_many_answers_it_rests_on():
    tables, _ = campaign(["random", "straight_lining", "too_fast", "hostile", "pasting", "lazy"])
    result = assess(*tables)
    found = result[result["verdict"] == "suspend"]
    assert len(found) >= 3
    assert found["reasons"].str.contains(r"\d%? \(-?\d[\d.]*%? to -?\d[\d.]*%?\)").all()
    assert result["reasons"].str.len().gt(0).all()


def test_a_failed_check_or_two_is_no_proof_and_four_of_four_are():
    (ratings, regions, answers, _), _ = campaign([], n_edits=60, checks=0)
    checks = pd.DataFrame(
        [
            {
                "check_id": str(number), "annotator": person, "annotator_kind": "simulated", "project_type": "ratings",
                "role": "check", "passed": False, "answer": "5", "lead_time_s": 20.0, "submitted_at": "2026",
            }
            for person, n in (("person-001", 2), ("person-002", 4))
            for number in range(n)
        ]
    )  # fmt: skip
    result = assess(ratings, regions, answers, checks).set_index("annotator")
    assert result.loc["person-001", "verdict"] == "watch"
    assert result.loc["person-002", "verdict"] == "suspend"
    assert "passed 0% (0% to 60%) of 4 checks" in result.loc["person-002", "reasons"]


def test_the_qualification_round_is_no_evidence_of_how_somebody_works():
    tables, _ = campaign(["random"], n_edits=60)
    *others, checks = tables
    failed = checks.iloc[:1].assign(role="qualification", passed=False)
    again = pd.concat([checks, *(failed.assign(check_id=f"first {number}") for number in range(20))])
    pd.testing.assert_frame_equal(assess(*others, again), assess(*tables))


def test_the_order_of_the_tables_rows_changes_nothing():
    tables, _ = campaign(["random", "lazy", "pasting"], n_edits=60)
    shuffled = [table.sample(frac=1, random_state=7).reset_index(drop=True) for table in tables]
    left, right = assess(*tables), assess(*shuffled)
    pd.testing.assert_frame_equal(left, right)


def test_a_table_that_lacks_a_column_or_holds_no_number_is_refused():
    tables, _ = campaign([], n_edits=12)
    with pytest.raises(BadInput, match="ratings lacks the column screened"):
        assess(tables[0].drop(columns="screened"), *tables[1:])
    with pytest.raises(BadInput, match="not a finite number"):
        assess(tables[0].assign(score=np.nan), *tables[1:])


def evidence_of(**known: float) -> pd.DataFrame:
    """One person of whom only this is known, among usual people."""
    tables, _ = campaign([], n_edits=40, checks=0.1)
    usual = assess(*tables).drop(columns=["verdict", "reasons", "suspicion"]).set_index("annotator")
    stranger = pd.DataFrame([known], index=["stranger"]).reindex(columns=usual.columns)
    return pd.concat([usual, stranger])


def test_who_agrees_with_nobody_is_not_suspended_while_anything_shows_that_he_looks():
    nobody = {"n_edits": 80, "agreement": 0.0, "agreement_low": -0.1, "agreement_high": 0.1}
    unsure = {"n_repeats": 30, "consistency": 0.0, "consistency_low": -0.5, "consistency_high": 0.35}
    steady = {"n_repeats": 30, "consistency": 0.7, "consistency_low": 0.5, "consistency_high": 0.85}
    passed = {"n_checks": 4, "passed": 1.0, "passed_low": 0.4, "passed_high": 1.0}
    finds = {"found_n": 40, "found": 0.8, "found_low": 0.65, "found_high": 0.9}

    def verdict(**known: float) -> str:
        return judge(evidence_of(**known), Thresholds()).loc["stranger", "verdict"]

    assert verdict(**nobody) == "opinion"
    assert verdict(**nobody, **steady) == "opinion"
    assert verdict(**nobody, **unsure) == "suspend"
    assert verdict(**nobody, **unsure, **passed) == "watch"
    assert verdict(**nobody, **unsure, **finds) == "watch"
    backwards = nobody | {"agreement": -0.6, "agreement_low": -0.7, "agreement_high": -0.5}
    # A scale may be read upside down: only failed checks say that it was not.
    failed = {"n_checks": 12, "passed": 0.5, "passed_low": 0.3, "passed_high": 0.78}
    assert verdict(**backwards, **failed) == "suspend"
    few = {"n_checks": 2, "passed": 1.0, "passed_low": 0.2, "passed_high": 1.0}
    for known in ({}, passed, few, {**passed, "passed": 0.75}):
        assert verdict(**backwards, **known) == "opinion"


def test_who_reads_one_scale_upside_down_is_asked_and_not_suspended_for_the_checks_of_it():
    tables, manner_of = campaign(["upside_down"] * 6, n_edits=200)
    result = assess(*tables)
    own = result[result["annotator"].map(manner_of) == "upside_down"]
    assert (own["passed"] < 0.75).any()
    assert (own["verdict"] == "opinion").all()
    read = {name_of(one): one.upside_down for one in (Person.make(n, 200, "upside_down") for n in range(1, 7))}
    assert own["worst_dimension"].tolist() == [read[name] for name in own["annotator"]]
    assert own["reasons"].str.contains("read the other way round").all()


def test_the_worst_dimension_is_that_of_the_lowest_rank_correlation():
    rng = np.random.default_rng(10)
    quality = {name: rng.uniform(1, 5, 60) for name in DIMENSIONS}
    slips = dict(zip(DIMENSIONS, (0.1, 0.8, 3.0), strict=True))
    tables = []
    for name in DIMENSIONS:
        grades = {"a": quality[name], "b": quality[name] + rng.normal(0, slips[name], 60)}
        rows = {person: dict(zip(map(str, range(60)), values, strict=True)) for person, values in grades.items()}
        tables.append(rating_rows(rows, name))
    row = rating_evidence(pd.concat(tables), pd.Index(["a", "b"])).loc["a"]
    by_hand = [
        spearmanr(*(table.loc[table["annotator"] == who, "score"] for who in "ab")).statistic for table in tables
    ]
    assert row["worst_dimension"] == DIMENSIONS[int(np.argmin(by_hand))]
    assert row["worst_agreement"] == pytest.approx(min(by_hand))
    assert row["best_agreement"] == pytest.approx(max(by_hand))
    assert row["agreement"] == pytest.approx(np.mean(by_hand))
    assert row["worst_agreement_low"] < row["worst_agreement"] < row["worst_agreement_high"]


def test_checks_of_regions_are_judged_apart_from_those_of_ratings_and_one_slip_is_nothing():
    (ratings, regions, answers, _), _ = campaign([], n_edits=60, checks=0)
    rows = [("person-001", "ratings", True)] * 12 + [("person-001", "regions", False)] * 4
    rows += [("person-002", "ratings", True)] * 4 + [("person-002", "regions", False)]
    names = ["annotator", "project_type", "passed"]
    checks = pd.DataFrame([dict(zip(names, row, strict=True)) for row in rows]).reindex(
        columns=TABLES["check_answers"].names
    )
    checks = checks.assign(annotator_kind="simulated", role="check")
    result = assess(ratings, regions, answers, checks.astype({"passed": bool})).set_index("annotator")
    assert result.loc["person-001", "verdict"] == "suspend"
    assert "passed 0% (0% to 60%) of 4 checks of regions" in result.loc["person-001", "reasons"]
    assert result.loc["person-002", "verdict"] == "good"


def test_whoever_reads_two_scales_upside_down_and_the_third_as_others_do_is_asked_too():
    failed = {"n_checks": 12, "passed": 0.5, "passed_low": 0.3, "passed_high": 0.72}
    backwards = {"n_edits": 80, "agreement": -0.35, "agreement_low": -0.45, "agreement_high": -0.25}
    worst = {"worst_agreement": -0.8, "worst_agreement_low": -0.9, "worst_agreement_high": -0.7}
    best = {"best_agreement": 0.8, "best_agreement_low": 0.7, "best_agreement_high": 0.9}

    def verdict(**known: float) -> str:
        return judge(evidence_of(**known), Thresholds()).loc["stranger", "verdict"]

    assert verdict(**backwards, **failed, **worst, **best) == "opinion"
    none = {"best_agreement": -0.2, "best_agreement_low": -0.3, "best_agreement_high": -0.1}
    assert verdict(**backwards, **failed, **worst, **none) == "suspend"
