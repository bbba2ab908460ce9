"""What is to be said of a pull beside its counts: each a sentence, with what to do next."""

from annotation.collect import PullCounts
from annotation.pair_folders import folders_with_choices
from annotation.refusals import given_astray
from editfhf import console
from editfhf.workspace import Workspace


def notes_of(counts: PullCounts, workspace: Workspace, named: str) -> list[str]:
    """Sentences for who pulled; `named`: the workspace as the command line names it."""
    push = f"`editfhf annotate push -w {named}`"
    notes = [
        f"What people chose of the pairs: editfhf benchmark --preferences {folder}"
        for folder in folders_with_choices(workspace)
    ]
    if counts.admitted:
        notes.append(f"{people(len(counts.admitted))} may begin: {push} hands their edits out.")
    if counts.not_admitted:
        notes.append(
            f"Not admitted: {people(len(counts.not_admitted))}; `editfhf annotate status` says why, and {push} hands "
            "on to others what was kept for them."
        )
    if counts.refused:
        what = "1 answer, or part of one, was" if counts.refused == 1 else f"{counts.refused} answers or parts were"
        notes.append(f"{what} refused: editfhf annotate refused -w {named}")
    if astray := given_astray(workspace):
        notes.append(
            f"{answers(astray)} came from somebody in another's project: {push} shows the tasks to their own people "
            "again; `editfhf annotate people --invite` prints whose project is which."
        )
    if counts.drafts:
        n, where = sum(counts.drafts.values()), console.spans(sorted(counts.drafts))
        notes.append(f"Begun and not submitted: {answers(n)}, in project {where}; they come home once submitted.")
    if counts.erased:
        notes.append(
            f"Left out: {answers(counts.erased)} of people who were erased; they are on the server again, as after a "
            "restore. `editfhf annotate erase` (by address or pseudonym) removes them there, too."
        )
    if counts.gone:
        notes.append(
            f"Deleted on the server: project {console.spans(counts.gone)}; what was pulled of them stays. "
            f"{push} hands out what is left."
        )
    if counts.altered:
        notes.append(
            f"The labelling screen or the title of project {console.spans(counts.altered)} was changed on the "
            f"server by hand: answers were read as far as they fit; {push} restores it."
        )
    if counts.misdated:
        are = "is" if counts.misdated == 1 else "are"
        notes.append(
            f"{answers(counts.misdated)} {are} dated before their project was made, or in the future: the clock of the "
            "server or of this machine is or was wrong. They are taken as they are; set it right and pull with --all."
        )
    return notes


def people(n: int) -> str:
    """`1 person`, `2 people`."""
    return "1 person" if n == 1 else f"{n:,} people"


def answers(n: int) -> str:
    """`1 answer`, `2 answers`."""
    return "1 answer" if n == 1 else f"{n:,} answers"
