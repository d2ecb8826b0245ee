from typing import Any

from django import forms

from crypto.exceptions import InvalidParameters
from crypto.models import Client
from crypto.services.labels import checked_labels


class LabelsForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own cannot be subscripted
    """Of a client only the labels are people's to write."""

    class Meta:
        model = Client
        fields = ("labels",)

    def clean_labels(self) -> dict[str, str]:
        labels: Any = self.cleaned_data["labels"]
        try:
            return checked_labels(labels or {})
        except InvalidParameters as invalid:
            raise forms.ValidationError(
                [f"{name}: {' '.join(s)}" for name, s in invalid.errors.items()]
            ) from None
