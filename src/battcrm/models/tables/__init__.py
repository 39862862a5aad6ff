"""The schema. Importing this package registers every table on `Base.metadata`."""

from battcrm.models.tables import appeals, catalogue, delivery, dialogue, events, queue, tenancy
from battcrm.models.tables.base import Base

__all__ = ["Base", "appeals", "catalogue", "delivery", "dialogue", "events", "queue", "tenancy"]
