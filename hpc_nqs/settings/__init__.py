"""The input: TOML in, every option checked, every default written back."""
