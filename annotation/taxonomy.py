"""The flaw types of earlier screens: nobody changes the taxonomy and loses what was said in the old one."""

import re
from collections import Counter
from collections.abc import Iterable

import pyarrow.compute as pc

from annotation.answers import UNKNOWN_TYPE
from editfhf.config import CONFIG_NAME
from editfhf.errors import BadInput
from editfhf.flaws import FLAWS
from editfhf.workspace import Workspace

_UNKNOWN = re.compile(rf"'(\w+)' {UNKNOWN_TYPE}")
_CHOICE = re.compile(r'alias="(\w+)" hint="')  # flaw types alone have a hint


def require_mapped(workspace: Workspace, screens_there: Iterable[str], is_answered: bool = False) -> None:
    """Whether each flaw type of the regions at home is on the screens of today, or has another name there.

    Args:
        screens_there: the labelling screens (XML) that the projects on the server have so far. A type that they lack,
            too, was offered to nobody: what was refused for one is no loss.
        is_answered: people have answered on them. Then every type that they offer counts as used: not all that was
            said may be at home, and once the screens are changed nobody knows what they offered.

    Raises:
        BadInput: one is not; the message names it, how many regions are of it, and what to write.
    """
    renamed = workspace.config.annotation.renamed_flaw_types
    used = Counter(workspace.read_table("regions")["flaw_type"].to_pylist())
    used.update(name for name in workspace.read_table("verdicts")["flaw_type"].to_pylist() if name)
    # Where the change came before the last pull, they stand among what was refused.
    offered = {name for screen in screens_there for name in _CHOICE.findall(screen)}
    refused = workspace.read_table("refused_answers")["reason"]
    for reason in refused.filter(pc.match_substring(refused, UNKNOWN_TYPE)).to_pylist():
        found = _UNKNOWN.match(reason)
        if found and found[1] in offered:
            used[found[1]] += 1
    for name in sorted(offered) if is_answered else ():
        used.setdefault(name, 0)
    for name, n in used.most_common():
        if name not in FLAWS and name not in renamed:
            regions = {0: "Regions on the server may be", 1: "1 region is"}.get(n, f"{n} regions are")
            raise BadInput(
                f"{regions} of the flaw type {name!r}, which the screens no longer have.",
                mend=f"Write `renamed_flaw_types: {{{name}: TYPE}}` under `annotation:` in "
                f"{workspace.root / CONFIG_NAME}, with a TYPE of `editfhf flaws`.",
            )
