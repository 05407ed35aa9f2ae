"""Tables, figures, reports and verdicts for people."""
