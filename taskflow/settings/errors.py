"""What is raised where the configuration is wrong."""


class SettingsError(Exception):
    """The configuration is wrong.

    `sentences` holds one sentence per mistake.
    """

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences
