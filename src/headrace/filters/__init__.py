"""Event filters: AWS's grammar and a few operators more -> whether a record passes."""

from headrace.filters.filters import Filters as Filters
from headrace.filters.mapped import filters_of as filters_of
