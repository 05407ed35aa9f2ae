"""Ground and excited states, sector by sector: schedule, penalty and meter of the levels."""
