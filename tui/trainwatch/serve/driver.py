"""How a dashboard talks with the server instead of a terminal. Runs in the dashboard's process."""

from textual.drivers.web_driver import WebDriver
from textual.messages import ExitApp

NAME = "trainwatch.serve.driver:Driver"
"""For TEXTUAL_DRIVER."""


class Driver(WebDriver):
    """Textual's own, which would go on for ever when the server is killed: nobody closes what nobody reads."""

    def run_input_thread(self) -> None:
        super().run_input_thread()
        self._app.post_message(ExitApp())
