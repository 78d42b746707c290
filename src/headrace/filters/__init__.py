"""Event filters: AWS's grammar and a few operators more -> whether a record passes."""

from headrace.filters.filters import Filters as Filters
