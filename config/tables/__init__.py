"""Tables in files: reading what people upload, writing what they export. Knows nothing of any app."""
