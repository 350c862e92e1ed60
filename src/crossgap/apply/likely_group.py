"""Which of the closer's groups a name may stand for, to be proposed where it is unknown."""

from crossgap.close.closer import Closer

__all__ = ["likely_group"]


def likely_group(name: str, closer: Closer) -> str:
    """Return the group of the same modality, else the first one."""
    modality = name.partition("/")[0]
    alike = [group for group in closer.groups_ if group.partition("/")[0] == modality]
    return alike[0] if alike else closer.groups_[0]
