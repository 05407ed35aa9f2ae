"""What all drivers share: run files, recorder, progress, stopping."""
