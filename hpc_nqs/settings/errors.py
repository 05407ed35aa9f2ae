"""What is wrong with an input."""


class SettingsError(ValueError):
    """The input is wrong; `problems` lists everything that is, one sentence each."""

    def __init__(self, problems):
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))
