"""The section [notify] of a configuration: who is told of what, away from the screen."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"


class Notify(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[notify]: who is told of what. Without `urls_env`, `urls_file` or `command`: nobody of anything."""

    urls_env: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None,
        Meta(description="the environment variable that holds where to send messages: apprise URLs, one a line"),
    ] = None
    urls_file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="the same in a file of yours that nobody else may read (chmod 600)"),
    ] = None
    severity: Annotated[
        Literal["critical", "warning"], Meta(description="the least grave alerts that are worth a message")
    ] = "warning"
    max_per_hour: Annotated[int, Meta(ge=1, description="messages; what is over waits, and then comes as one")] = 20
    quiet_hours: Annotated[
        Annotated[str, Meta(pattern=f"^{_CLOCK}-{_CLOCK}$")] | None,
        Meta(
            description='"22:00-07:00", in local time: what is not critical waits until they are over, and then comes '
            "as one message; at the end of the run it comes at once"
        ),
    ] = None
    finished: Annotated[bool, Meta(description="tell that the run is done, was stopped or has failed")] = True
    crashed: Annotated[bool, Meta(description="tell that the trainer has crashed")] = True
    restarted: Annotated[bool, Meta(description="tell that the trainer is started again after a crash")] = True
    new_best: Annotated[bool, Meta(description="tell of every new best evaluation")] = False
    command: Annotated[
        list[str],
        Meta(
            description="a program of yours and its arguments, started for every message with the message as JSON on "
            "its standard input; no shell, no quiet hours, no limit an hour"
        ),
    ] = []
    command_timeout_s: Annotated[float, Meta(gt=0, description="seconds after which it is ended")] = 30.0

    @property
    def has_urls(self) -> bool:
        return self.urls_env is not None or self.urls_file is not None

    @property
    def is_on(self) -> bool:
        """Whether there is anybody to tell."""
        return self.has_urls or bool(self.command)
