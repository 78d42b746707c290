"""DynamoDB and DynamoDB Streams as a function, as strict as AWS, on an injected clock."""
