"""DynamoDB tables, and the streams of their changes, live in SQL.

config        Spicepod YAML   -> Dataset
dynamodb      Scan, Streams   -> ChangeBatch            the only room that knows AWS
replicate     ChangeBatch     -> in order, bounded, checkpointed      a pure machine
accelerators  ChangeBatch     -> rows and Checkpoint, in one transaction
query         SQL             -> Arrow
serve, cli    Arrow           -> HTTP, terminal

Root files are words: values and protocols without I/O. Folders are rooms: they know the words, never
each other. Only ``runtime`` knows all the rooms.
"""

__version__ = "0.1.0"
