"""ChangeBatch -> rows and Checkpoint, in one transaction. One file per engine."""
