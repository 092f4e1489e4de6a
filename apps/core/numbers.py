"""Record numbers without gaps: drawn under a row lock inside the act, so a rollback gives the number back."""

from apps.core.models import Counter


def next_number(kind: str) -> int:
    """The next number of `kind`, from 1. Call inside an act's transaction."""
    Counter.objects.get_or_create(kind=kind)
    counter = Counter.objects.select_for_update().get(kind=kind)
    counter.last += 1
    counter.save(update_fields=["last"])
    return counter.last
