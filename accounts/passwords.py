"""What a password is made of."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

SHORTEST, LONGEST = 8, 128  # characters
LENGTH = {"shortest": SHORTEST, "longest": LONGEST}


class CompositionValidator:
    """8 to 128 characters, among them a capital letter, a digit and a special character.

    A special character is all that is neither letter nor digit nor space.
    """

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError with one sentence for each thing that is missing."""
        missing = []
        if not SHORTEST <= len(password) <= LONGEST:
            text = _("The password must have %(shortest)s to %(longest)s characters.")
            missing.append(text % LENGTH)
        if not any(letter.isupper() for letter in password):
            missing.append(_("The password must contain a capital letter."))
        if not any(letter.isdecimal() for letter in password):
            missing.append(_("The password must contain a digit."))
        if not any(_is_special(letter) for letter in password):
            missing.append(_("The password must contain a special character, such as ! or -."))
        if missing:
            raise ValidationError(
                [ValidationError(text, code="password_composition") for text in missing]
            )

    def get_help_text(self) -> str:
        return (
            _(
                "Use %(shortest)s to %(longest)s characters with at least one capital letter, "
                "one digit and one special character, such as ! or -."
            )
            % LENGTH
        )


def _is_special(letter: str) -> bool:
    return not letter.isalnum() and not letter.isspace()
