"""The labelling screens, by project type."""

from dataclasses import dataclass
from functools import cached_property

from annotation.screens import admission, preference, ratings, regions, together, verify
from editfhf.config import AnnotationConfig
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
    "admission": Screen("admission", admission.CONFIG),
}
_CONSENT_ALONE = Screen("admission", admission.CONSENT_CONFIG)
_VISION_ALONE = Screen("admission", admission.VISION_CONFIG)


def is_ours(project_type: str, label_config: str) -> bool:
    """Whether a project has a screen of ours; one of the admission may be of earlier settings."""
    known = [SCREENS[project_type]]
    if project_type == "admission":
        known += [_CONSENT_ALONE, _VISION_ALONE]
    return label_config.strip() in {screen.label_config.strip() for screen in known}


def screen_of(project_type: str, settings: AnnotationConfig) -> Screen:
    """The screen of a project; that of the admission has the parts that the settings ask for."""
    if project_type == "admission" and not settings.vision_check:
        return _CONSENT_ALONE
    if project_type == "admission" and not settings.consent:
        return _VISION_ALONE
    return SCREENS[project_type]
