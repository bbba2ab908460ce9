"""Who may begin: consent, eyes and the qualification round are answered first; until then the edits are held back."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from annotation.assignment import item_id
from annotation.guidelines import CONSENT, EYES_KEPT
from annotation.plates import ACUITY_NEEDED, COLOUR_NEEDED
from annotation.pseudonyms import Pseudonyms, annotator_kind
from annotation.roster import Member, Roster
from annotation.worklist import ADMISSION, QUALIFICATION
from editfhf.config import CONFIG_NAME, AnnotationConfig
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.schema import OWN_TABLES, Admission, Assignment, stable_id
from editfhf.workspace import Workspace

FIRST_ROLES = (ADMISSION, QUALIFICATION)  # of items that nobody waits for
CONSENT_FOLDER = "consent"
FILE_ENDINGS = (".txt", ".md")  # of a consent text that lies in a file
State = Literal["admitted", "waits", "refused"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands at the entrance.

    Attributes:
        reason: what is waited for or was not passed; of who was admitted, what to bear in mind; "" for nothing.
    """

    state: State
    reason: str = ""

    @property
    def words(self) -> str:
        """One sentence for `status` and `quality`; "" where there is nothing to say."""
        lead = {"admitted": "", "waits": "waits for admission: ", "refused": "not admitted: "}[self.state]
        return f"{lead}{self.reason}"


def standing_of(
    settings: AnnotationConfig,
    is_asked: bool,
    has_begun: bool,
    admission: Admission | None,
    n_qualification: int,
    qualified: Sequence[bool],
) -> Standing:
    """Whether one person may begin.

    Who answered an edit is not held back by what was asked for later; who does not agree is refused at any time. P.910
    has people with errors in acuity or colours left out; here a slip is allowed for (`annotation.plates`), and colours
    are a matter of `colour_vision`.

    Args:
        is_asked: for consent and eyes. has_begun: answered an edit, region or pair.
        admission: what was answered, None for nothing yet.
        n_qualification: items handed out; qualified: of those answered, whether each is right.
    """
    if is_asked and settings.consent and admission is not None and not admission.consented:
        return Standing("refused", "does not agree")
    failed, remarks = _eyes(settings, admission) if is_asked else ([], [])
    if has_begun:
        return Standing("admitted", "; ".join([*failed, *remarks]))
    waits = []
    if is_asked and admission is None:
        parts = ["consent"] * settings.consent + ["vision check"] * settings.vision_check
        waits.append(f"{' and '.join(parts)} not answered")
    right = sum(qualified)
    if len(qualified) < n_qualification:
        waits.append(f"{len(qualified)} of {n_qualification} qualification items answered")
    elif n_qualification and right < settings.qualification_share * n_qualification - 1e-9:
        failed.append(f"{right} of {n_qualification} checks right")
    if failed:
        return Standing("refused", "; ".join(failed))
    return Standing("waits", "; ".join(waits)) if waits else Standing("admitted", "; ".join(remarks))


def standings(
    workspace: Workspace, rows: Iterable[Assignment], begun: Collection[str] = frozenset()
) -> dict[str, Standing]:
    """Where each person stands who works or pauses, by pseudonym, as of the last pull.

    Args:
        rows: the assignments. begun: pseudonyms of more people who have answered an edit than the tables know.
    """
    settings, roster = workspace.config.annotation, Roster(workspace)
    admissions = recorded(workspace)
    handed_out: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        if row.role == QUALIFICATION:
            handed_out[row.annotator].add((row.project_type, row.edit_id))
    right: defaultdict[str, dict[tuple[str, str], bool]] = defaultdict(dict)
    for answer in workspace.read_table("check_answers").to_pylist():
        if answer["role"] == QUALIFICATION:
            right[answer["annotator"]][answer["project_type"], answer["check_id"]] = answer["passed"]
    begun = {*begun, *_begun(workspace)}
    found = {}
    for member in roster.members:
        if member.state not in ("active", "paused"):
            continue
        name = roster.pseudonym(member)
        qualified = [right[name][one] for one in handed_out[name] if one in right[name]]
        found[name] = standing_of(
            settings, is_asked(settings, member), name in begun, admissions.get(name), len(handed_out[name]), qualified
        )
    return found


def is_asked(settings: AnnotationConfig, member: Member) -> bool:
    """Whether somebody is asked for consent and eyes. A simulated person has neither, unless it is to be rehearsed."""
    asks = settings.consent or settings.vision_check
    return asks and (settings.simulated_admission or annotator_kind(member.email) == "human")


def recorded(workspace: Workspace) -> dict[str, Admission]:
    """What each person answered last, by pseudonym."""
    rows = [Admission(**row) for row in workspace.read_table("admissions").to_pylist()]
    return {row.annotator: row for row in sorted(rows, key=lambda row: row.submitted_at)}


def admission_rows(
    workspace: Workspace, rows: Iterable[Assignment], members: Iterable[Member], answered: Collection[str]
) -> list[Assignment]:
    """The assignments of the screen `admission`: what was answered, and one for everybody who is asked and has not.

    Args:
        rows: those so far. members: who get work. answered: item ids.
    """
    settings, roster, key = workspace.config.annotation, Roster(workspace), Pseudonyms.of(workspace).key
    kept = [row for row in rows if row.project_type == ADMISSION and row.item_id in answered]
    asked = [roster.pseudonym(member) for member in members if is_asked(settings, member)]
    if not asked:
        return kept
    there = {row.annotator for row in kept} | set(recorded(workspace))
    text = keep_consent(workspace)
    shown = f"{text} {settings.consent} {settings.vision_check}"  # who has not answered is asked what is asked by now
    new = [
        Assignment(item_id(key, person, ADMISSION, shown, ADMISSION, 1), person, ADMISSION, text, ADMISSION, 1)
        for person in asked
        if person not in there
    ]
    return sorted([*kept, *new], key=lambda row: row.annotator)


def consent_of(workspace: Workspace, checks_vision: bool) -> str:
    """The text that people agree to; ours says what the vision check leaves behind, where there is one.

    Raises:
        BadInput: the settings name a file that is not there, is empty, or is not UTF-8.
    """
    text = workspace.config.annotation.consent_text.strip()
    if not text:
        return f"{CONSENT} {EYES_KEPT}" if checks_vision else CONSENT
    if "\n" in text or not text.endswith(FILE_ENDINGS):
        return text
    path = workspace.path_of(text)
    try:
        words = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{workspace.root / CONFIG_NAME}: annotation.consent_text names {text}, which cannot be read.",
            mend=f"Write the text (UTF-8) to {path}, or leave the setting empty.",
        ) from error
    if not words:
        raise BadInput(f"{path} is empty: nobody can agree to it.", mend="Write the text that people agree to.")
    return words


def keep_consent(workspace: Workspace) -> str:
    """Keep the text that is shown now, so that it can be told what somebody agreed to; returns its id."""
    text = consent_of(workspace, workspace.config.annotation.vision_check)
    name = stable_id(text)
    path = workspace.annotation_dir / CONSENT_FOLDER / f"{name}.txt"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return name


def held_back(row: Assignment, standing: Mapping[str, Standing]) -> bool:
    """Whether an item is reserved for somebody who may not have it yet."""
    waits = row.annotator in standing and standing[row.annotator].state != "admitted"
    return waits and row.role not in FIRST_ROLES


def rows_of(workspace: Workspace, found: Mapping[str, Standing]) -> list[dict[str, Any]]:
    """Who waits, was refused, or was admitted with a remark, for `status`."""
    kinds = kinds_of(workspace)
    return [
        {"annotator": name, "kind": kinds[name], "admission": one.state, "reason": one.reason}
        for name, one in sorted(found.items(), key=lambda pair: (pair[1].state, pair[0]))
        if one.reason
    ]


def kinds_of(workspace: Workspace) -> dict[str, str]:
    """Who is human and who simulated, by pseudonym."""
    roster = Roster(workspace)
    return {roster.pseudonym(one): annotator_kind(one.email) for one in roster.members}


def _eyes(settings: AnnotationConfig, admission: Admission | None) -> tuple[list[str], list[str]]:
    """What the eyes fail at, and what is to be borne in mind."""
    if not settings.vision_check or admission is None:
        return [], []
    failed: list[str] = []
    remarks: list[str] = []
    if admission.acuity_of and admission.acuity_right < ACUITY_NEEDED:
        failed.append(f"{admission.acuity_right} of {admission.acuity_of} rings read right")
    if admission.colour_of and admission.colour_right < COLOUR_NEEDED:
        words = f"{admission.colour_right} of {admission.colour_of} figures in coloured dots read right"
        (failed if settings.colour_vision == "required" else remarks).append(words)
    return failed, remarks


def _begun(workspace: Workspace) -> set[str]:
    tables = ("answers", *(table for table, _, _ in OWN_TABLES.values()))
    return {name for table in tables for name in workspace.read_table(table)["annotator"].unique().to_pylist()}
