"""What the written reasons say of how a person works: empty, meaningless, or one text pasted again and again."""

import numpy as np
import pandas as pd

from annotation.intervals import share_interval

LEAST_LETTERS = 8  # "blurry" says less than the flaw type that was chosen
# One character of Chinese, Japanese or Korean says about as much as three letters.
_IDEOGRAPHS = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
SHINGLE = 4  # words in a row that count as a phrase
LONG = 10  # words; shorter reasons repeat themselves in honest people too
COMMON = (
    1 / 3
)  # of the people use a phrase: it belongs to the campaign (the taxonomy's own words), and is nobody's frame
AGAIN = 3  # edits, other than its own, in which a phrase of the same person stands: then it is a frame
COPIED = 0.5  # share of a reason's phrases that are frames, from which on it counts as copied


def reason_evidence(regions: pd.DataFrame, people: pd.Index) -> pd.DataFrame:
    """A row for each of `people`, in their order.

    A reason is worthless if it has fewer than eight letters (no letters, one short word), or spells nothing but its
    flaw type. It is copied if it is long (ten words) and half of its phrases of four words stand in the same person's
    reasons for at least three other edits, and are not what every third of the people says: a frame around few words.

    Args:
        regions: columns of the record `Region`.

    Returns:
        columns n_reasons, worthless, worthless_low, worthless_high, copied, copied_low, copied_high (shares; NaN where
        there are no reasons), repeated (share of reasons equal, letter for letter, to one for another edit).
    """
    text = regions["description"].fillna("").astype(str).str.casefold().str.split().str.join(" ")
    letters = text.str.count(r"[^\W\d_]") + 2 * text.str.count(_IDEOGRAPHS)
    bare = text.str.replace(r"[\W_]+", "", regex=True)
    named = regions["flaw_type"].astype(str).str.replace("_", "", regex=False)
    worthless = (letters < LEAST_LETTERS) | (bare == named)
    person = pd.Series(people.get_indexer(pd.Index(regions["annotator"])), index=regions.index)
    same = pd.DataFrame({"person": person, "text": bare, "edit": regions["edit_id"]})
    repeated = same.groupby(["person", "text"])["edit"].transform("nunique") > 1
    copied = _copied(text, person, regions["edit_id"])
    n = np.bincount(person, minlength=len(people)).astype(float)
    result = pd.DataFrame({"n_reasons": n}, index=people)
    for name, flags in (("worthless", worthless), ("copied", copied)):
        k = np.bincount(person, flags.to_numpy(float), len(people))
        with np.errstate(invalid="ignore", divide="ignore"):
            result[name] = k / n
        result[f"{name}_low"], result[f"{name}_high"] = share_interval(k, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        result["repeated"] = np.bincount(person, repeated.to_numpy(float), len(people)) / n
    return result


def _copied(text: pd.Series, person: pd.Series, edit_id: pd.Series) -> pd.Series:
    """Whether each reason is a frame of its person's."""
    words = [one.split() for one in text.str.replace(r"[\W_]+", " ", regex=True)]
    number = np.arange(len(text))
    lengths = np.array([len(one) for one in words], int)
    long = lengths >= LONG
    if not long.any():
        return pd.Series(False, index=text.index)
    lengths = lengths[long]
    code, known = pd.factorize(np.array([word for index in number[long] for word in words[index]], object))
    reason = np.repeat(number[long], lengths)
    ends = np.repeat(np.cumsum(lengths), lengths)
    starts = np.flatnonzero(np.arange(len(code)) + SHINGLE <= ends)
    # A phrase as one number: exact while (words known)^4 fits in 64 bits (55,000 words), a hash that wraps beyond.
    phrase: np.ndarray = np.zeros(len(starts), np.uint64)
    for offset in range(SHINGLE):
        phrase = phrase * np.uint64(len(known) + 1) + code[starts + offset].astype(np.uint64)
    reason = reason[starts]
    table = pd.DataFrame({"person": person.to_numpy()[reason], "phrase": phrase})
    table["edit"] = pd.factorize(edit_id)[0][reason]
    once = table.drop_duplicates().groupby(["person", "phrase"], sort=False).size().rename("edits").reset_index()
    users = once.groupby("phrase")["person"].transform("size")
    own = users <= max(2, COMMON * once["person"].nunique())
    once["framed"] = own & (once["edits"] > AGAIN)
    framed = table.merge(once, on=["person", "phrase"], how="left")["framed"].to_numpy(bool)
    share = np.bincount(reason, framed, len(text)) / np.maximum(np.bincount(reason, minlength=len(text)), 1)
    return pd.Series(share >= COPIED, index=text.index)
