"""Whether an agreement between two services covers a label and a caller: asked by whoever forwards, and again by
whoever receives.

Guarantees that what is missing or not listed is not covered. It comes on top of the decision (`kas.policy.decision`),
which it does not replace. Does not check the way and its depth: who forwards does
(`kas.federation.broker`), and who receives (`kas.federation.assertion`).
"""

from __future__ import annotations

from kas.errors import AgreementExceeded
from kas.federation.registry import Agreement
from kas.policy.labels import Label


def check_agreement(agreement: Agreement | None, label: Label, country: str | None) -> None:
    """Raises AgreementExceeded, whose argument names what is not covered, unless

    1. there is an agreement,
    2. the label's classification is not above its highest,
    3. it lists every community of interest of the label, of which there may be none, and
    4. it lists the caller's ``country``.
    """
    if agreement is None:  # 1
        raise AgreementExceeded("agreement")
    if label.level > agreement.max_level:  # 2
        raise AgreementExceeded("classification")
    if not label.coi <= agreement.cois:  # 3
        raise AgreementExceeded("COI")
    if country not in agreement.countries:  # 4
        raise AgreementExceeded("country")
