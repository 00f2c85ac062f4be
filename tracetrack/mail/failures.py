"""What a failure of the provider means for the mail."""

from anymail.exceptions import (
    AnymailAPIError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailUnsupportedFeature,
)

# What is wrong with this one mail. All else may pass: no money, a wrong key, too many, broken.
FINAL_STATUSES = {400, 413, 422}
FINAL_ERRORS = (AnymailRecipientsRefused, AnymailInvalidAddress, AnymailUnsupportedFeature)


class TryAgain(Exception):
    """This try failed; there shall be another one after some seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


def is_final(error: Exception) -> bool:
    """Whether another try of the same mail can't help."""
    if isinstance(error, AnymailAPIError):
        return error.status_code in FINAL_STATUSES
    return isinstance(error, FINAL_ERRORS)


def wanted_pause(error: Exception) -> int:
    """The seconds that the provider asked for with Retry-After; 0 if it named none."""
    response = getattr(error, "response", None)
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    return int(asked) if asked.isascii() and asked.isdigit() else 0
