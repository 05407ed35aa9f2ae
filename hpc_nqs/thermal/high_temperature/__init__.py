"""The states that a numerical run starts from."""
