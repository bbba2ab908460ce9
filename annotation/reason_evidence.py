"""What the written reasons say of how a person works: empty, meaningless, or one text pasted again and again."""

import re

import numpy as np
import pandas as pd

from annotation.intervals import share_of_each

LEAST_LETTERS = 8  # "blurry" says less than the flaw type that was chosen
# One character of Chinese, Japanese or Korean says about as much as three letters.
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
_NO_WORD = re.compile(r"[\W_]+")
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
    # Python's own regular expressions: they know the letters of every script.
    texts = [" ".join(str(text).casefold().split()) for text in regions["description"].fillna("")]
    letters = np.array([len(_LETTER.findall(text)) + 2 * len(_IDEOGRAPH.findall(text)) for text in texts], int)
    bare = [_NO_WORD.sub("", text) for text in texts]
    restated = [one == flaw.replace("_", "") for one, flaw in zip(bare, regions["flaw_type"].astype(str), strict=True)]
    worthless = (letters < LEAST_LETTERS) | np.array(restated, bool)
    person = people.get_indexer(pd.Index(regions["annotator"]))
    edit, _ = pd.factorize(regions["edit_id"])
    same = pd.DataFrame({"person": person, "text": pd.factorize(np.array(bare, object))[0], "edit": edit})
    repeated = same.groupby(["person", "text"])["edit"].transform("nunique").to_numpy() > 1
    copied = _copied(texts, person, edit)
    n = np.bincount(person, minlength=len(people)).astype(float)
    result = pd.DataFrame({"n_reasons": n}, index=people)
    for name, flags in (("worthless", worthless), ("copied", copied)):
        share, _, low, high = share_of_each(person, edit, flags.astype(float), np.ones(len(flags)), len(people))
        result[name], result[f"{name}_low"], result[f"{name}_high"] = share, low, high
    with np.errstate(invalid="ignore", divide="ignore"):
        result["repeated"] = np.bincount(person, repeated.astype(float), len(people)) / n
    return result


def _copied(texts: list[str], person: np.ndarray, edit: np.ndarray) -> np.ndarray:
    """Whether each reason is a frame of its person's."""
    words = [_NO_WORD.sub(" ", text).split() for text in texts]
    lengths = np.array([len(one) for one in words], int)
    long = np.flatnonzero(lengths >= LONG)
    if not len(long):
        return np.zeros(len(texts), bool)
    lengths = lengths[long]
    code, known = pd.factorize(np.array([word for index in long for word in words[index]], object))
    ends = np.repeat(np.cumsum(lengths), lengths)
    starts = np.flatnonzero(np.arange(len(code)) + SHINGLE <= ends)
    # A phrase as one number: exact while (words known)^4 fits in 64 bits (65,000 words), a hash that wraps beyond.
    number: np.ndarray = np.zeros(len(starts), np.uint64)
    for offset in range(SHINGLE):
        number = number * np.uint64(len(known) + 1) + code[starts + offset].astype(np.uint64)
    phrase, phrases = pd.factorize(number)
    reason = np.repeat(long, lengths)[starts]
    # What each person says, and for how many edits.
    said, sayings = pd.factorize(person[reason] * len(phrases) + phrase)
    n_edits = int(edit.max()) + 1
    of_edits = np.bincount(pd.unique(said * n_edits + edit[reason]) // n_edits)
    phrase_of = sayings % len(phrases)
    n_users = np.bincount(phrase_of, minlength=len(phrases))[phrase_of]
    own = n_users <= max(2, COMMON * len(np.unique(person[long])))
    framed = (own & (of_edits > AGAIN))[said]
    share = np.bincount(reason, framed, len(texts)) / np.maximum(np.bincount(reason, minlength=len(texts)), 1)
    return share >= COPIED
