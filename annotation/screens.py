"""The labelling screens, by project type."""

from dataclasses import dataclass

from annotation.interface import ratings_screen, regions_screen, together_screen
from editfhf.schema import stable_id


@dataclass(frozen=True, slots=True)
class Screen:
    """One labelling screen; `label_config` is Label Studio's XML."""

    project_type: str
    label_config: str

    @property
    def version(self) -> str:
        """8 hex digits that change with anything on the screen, the flaw taxonomy among it."""
        return stable_id(self.label_config)[:8]


SCREENS = {
    "ratings": Screen("ratings", ratings_screen()),
    "regions": Screen("regions", regions_screen()),
    "together": Screen("together", together_screen()),
}
