"""What affiliates type on the page of their connections."""

from typing import Any

from django import forms

from config.words import validate_words
from platforms.models import Platform
from platforms.oauth import MAX_TOKEN_CHARS
from platforms.services.accounts import takes_codes


class TokenForm(forms.Form):
    """A token of one's own. It is never written back into the page."""

    token = forms.CharField(
        max_length=MAX_TOKEN_CHARS,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="We try it out at once, and store it encrypted. It is not shown again.",
    )


class AccountForm(forms.Form):
    """A handle, on a platform where a code can prove it."""

    platform = forms.ChoiceField()
    handle = forms.CharField(
        max_length=100,
        validators=[validate_words],
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "placeholder": "@name"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._platforms = {each.slug: each for each in Platform.objects.filter(is_active=True) if takes_codes(each)}
        choices = [(slug, each.name) for slug, each in self._platforms.items()]
        self.fields["platform"].choices = choices  # type: ignore[attr-defined]

    @property
    def chosen(self) -> Platform:
        return self._platforms[self.cleaned_data["platform"]]


class CheckForm(forms.Form):
    """Where to look for a code besides the bio."""

    post_url = forms.CharField(
        label="Link of a post that holds the code",
        max_length=2048,
        required=False,
        validators=[validate_words],
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )
