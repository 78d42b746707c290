"""What takes the records of a mapping in place of a function.

Each kind has a folder of its own; ``opening`` makes them. What a target of a user's own is written with stands here.
"""

from headrace.attribute import Image
from headrace.batch import Batch, Consumer
from headrace.errors import ConsumerFailed, ConsumerUnavailable
from headrace.fill import Fillable
from headrace.stream_record import StreamRecord
from headrace.target_context import TargetContext
from headrace.targets.change import Change

__all__ = [
    "Batch",
    "Change",
    "Consumer",
    "ConsumerFailed",
    "ConsumerUnavailable",
    "Fillable",
    "Image",
    "StreamRecord",
    "TargetContext",
]
