"""The labelling screens, by project type."""

from dataclasses import dataclass
from functools import cached_property

from annotation.screens import preference, ratings, regions, together, verify
from editfhf.schema import stable_id


@dataclass(frozen=True)
class Screen:
    """One labelling screen; `label_config` is Label Studio's XML."""

    project_type: str
    label_config: str

    @cached_property
    def version(self) -> str:
        """8 hex digits that change with anything on the screen, the flaw taxonomy among it."""
        return stable_id(self.label_config)[:8]


SCREENS = {
    "ratings": Screen("ratings", ratings.CONFIG),
    "regions": Screen("regions", regions.CONFIG),
    "together": Screen("together", together.CONFIG),
    "verify": Screen("verify", verify.CONFIG),
    "preference": Screen("preference", preference.CONFIG),
}
