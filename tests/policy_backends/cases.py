"""What every engine must answer alike: one changed part, and the code of the first check that denies (None permits)."""

from __future__ import annotations

from typing import Any

from tests.policy_backends.asking import GRADE, ODD, SITE, TEAM, attributes
from tests.unit.policy.good_attributes import GOOD, ISSUER, PREFIX
from tests.unit.policy.good_policy import ABSENT

MINE = f"{ISSUER}#7f3c"
MAIL = {"email": "alice@corp.example", "email_verified": True}
BARE = {"uniqueID": ABSENT, "clearance": ABSENT, "countryOfAffiliation": ABSENT}
ANY = {"coiOperator": "ANY"}

# Row of the table of checks on labels -> claims, members of the label, code.
LABELS: dict[str, list[tuple[dict[str, Any], dict[str, Any], str | None]]] = {
    "subject": [
        ({}, {}, None),
        ({"uniqueID": ABSENT}, {}, None),
        ({"uniqueID": ""}, {}, "subject_incomplete"),
        ({"clearance": ABSENT}, {}, "subject_incomplete"),
        ({"countryOfAffiliation": ABSENT}, {}, "subject_incomplete"),
        ({"countryOfAffiliation": "XXX"}, {}, "subject_incomplete"),
        ({"countryOfAffiliation": "usa"}, {}, "subject_incomplete"),
    ],
    "label": [
        ({}, {"other": {"member": [1]}}, None),
        ({}, {"classification": ABSENT}, "label_invalid"),
        ({}, {"classification": "secret"}, "label_invalid"),
        ({}, {"classification": ["SECRET"]}, "label_invalid"),
        ({}, {"classification": None}, "label_invalid"),
        ({}, {"releasabilityTo": ABSENT}, "label_invalid"),
        ({}, {"releasabilityTo": []}, "label_invalid"),
        ({}, {"releasabilityTo": ["USA", "XXX"]}, "label_invalid"),
        ({}, {"releasabilityTo": "USA"}, "label_invalid"),
        ({}, {"releasabilityTo": {"USA": "USA"}}, "label_invalid"),
        ({}, {"COI": None}, "label_invalid"),
        ({}, {"COI": "NATO"}, "label_invalid"),
        ({}, {"COI": ["NATO", ""]}, "label_invalid"),
        ({}, {"COI": ["NATO", 7]}, "label_invalid"),
        ({}, {"coiOperator": None}, "label_invalid"),
        ({}, {"creationDate": 1_790_000_000}, "label_invalid"),
        ({}, {"creationDate": None}, "label_invalid"),
        ({}, {"releasableToIndustry": "true"}, "label_invalid"),
        ({}, {"releasableToIndustry": None}, "label_invalid"),
        ({}, {"releasableToIndustry": 1}, "label_invalid"),
        ({}, {"caveats": "NOFORN"}, "label_invalid"),
        ({}, {"caveats": ["ORCON"]}, "label_invalid"),
    ],
    "clearance": [
        ({"clearance": " top-secret"}, {}, None),
        ({"clearance": "TS"}, {}, None),
        ({"clearance": "Secret Défense", "countryOfAffiliation": "FRA"}, {}, None),
        ({"clearance": "CONFIDENTIAL"}, {}, "clearance_insufficient"),
        ({"clearance": "U"}, {"classification": "UNCLASSIFIED"}, None),
        ({"clearance": "CHOCOLATE"}, {}, "clearance_unknown"),
        ({"clearance": "COSMIC TOP SECRET", "clearanceAuthority": "NATO"}, {}, None),
        ({"clearanceAuthority": "MARS"}, {}, "clearance_unknown"),
    ],
    "releasability": [
        ({"countryOfAffiliation": "FRA"}, {}, None),
        ({"countryOfAffiliation": "GBR"}, {}, "country_not_releasable"),
        ({}, {"releasabilityTo": ["FRA"]}, "country_not_releasable"),
    ],
    "coi": [
        ({"acpCOI": ABSENT}, {"COI": ABSENT}, None),
        ({"acpCOI": ABSENT}, {"COI": []}, None),
        ({"acpCOI": ABSENT}, {"COI": [], **ANY}, None),
        ({"acpCOI": ABSENT}, {}, "coi_not_satisfied"),
        ({"acpCOI": ABSENT}, ANY, "coi_not_satisfied"),
        ({"acpCOI": ["nato"]}, {}, "coi_not_satisfied"),
        ({"acpCOI": '["NATO"]'}, {}, None),
        ({}, {"COI": ["NATO", "CAN-US"]}, "coi_not_satisfied"),
        ({}, {"COI": ["NATO", "CAN-US"], "coiOperator": "ALL"}, "coi_not_satisfied"),
        ({}, {"COI": ["NATO", "CAN-US"], **ANY}, None),
        ({"acpCOI": ["FVEY"]}, ANY, "coi_not_satisfied"),
        ({}, {"coiOperator": "OR"}, "coi_not_satisfied"),
        ({}, {"COI": [], "coiOperator": "any"}, "coi_not_satisfied"),
        ({"acpCOI": ["US-ONLY"]}, {"COI": ["US-ONLY"]}, None),
        ({"acpCOI": ["US-ONLY"]}, {"COI": ["US-ONLY"], **ANY}, None),
        ({"acpCOI": ["US-ONLY", "NATO"]}, {"COI": ["US-ONLY"]}, "coi_not_satisfied"),
        ({"acpCOI": ["US-ONLY", "NATO"]}, {"COI": ["US-ONLY"], **ANY}, "coi_not_satisfied"),
        ({"acpCOI": ["US-ONLY"]}, {"COI": ["US-ONLY"], "coiOperator": "OR"}, "coi_not_satisfied"),
    ],
    "embargo": [
        ({}, {"creationDate": ABSENT}, None),
        ({}, {"creationDate": "2026-09-21T14:13:20Z"}, None),
        ({}, {"creationDate": "2026-09-21t16:13:20.000+02:00"}, None),
        ({}, {"creationDate": "2026-09-21T14:13:20.001Z"}, "embargoed"),
        ({}, {"creationDate": "9000-01-01T00:00:00Z"}, "embargoed"),
        ({}, {"creationDate": "0002-01-01T00:00:00Z"}, None),
        ({}, {"creationDate": ""}, "label_invalid"),
        ({}, {"creationDate": "2026-01-01"}, "label_invalid"),
        ({}, {"creationDate": "2026-01-01T00:00:00"}, "label_invalid"),
    ],
    "authentication": [
        ({"acr": ABSENT}, {}, None),
        ({"acr": ABSENT, "amr": ["mfa"]}, {}, None),
        ({"amr": ABSENT}, {}, None),
        ({"acr": "aal1", "amr": ["pwd", "pin"]}, {}, "authentication_too_weak"),
        ({"acr": ABSENT, "amr": ["pwd"]}, {"classification": "RESTRICTED"}, "authentication_too_weak"),
        ({"acr": ABSENT, "amr": ABSENT}, {"classification": "UNCLASSIFIED"}, None),
        ({"clearance": "TS", "acr": "aal3", "amr": ABSENT}, {"classification": "TOP_SECRET"}, None),
        ({"clearance": "TS"}, {"classification": "TOP_SECRET"}, "authentication_too_weak"),
    ],
    "industry": [
        ({"organizationType": "MIL"}, {"releasableToIndustry": ABSENT}, None),
        ({"organizationType": "INDUSTRY"}, {}, None),
        ({"organizationType": ABSENT}, {}, None),
        ({"organizationType": "gov"}, {"releasableToIndustry": False}, "industry_not_releasable"),
        ({"organizationType": "INDUSTRY"}, {"releasableToIndustry": ABSENT}, "industry_not_releasable"),
        ({"organizationType": "INDUSTRY", "countryOfAffiliation": "FRA"}, {}, "industry_not_releasable"),
    ],
    "coherence": [
        ({"acpCOI": ["US-ONLY"]}, {"COI": ["US-ONLY", "NATO"]}, "label_incoherent"),
        ({"acpCOI": ["EU-RESTRICTED", "NATO-COSMIC"]}, {"COI": ["EU-RESTRICTED", "NATO-COSMIC"]}, "label_incoherent"),
        ({"acpCOI": ["NATO-COSMIC", "NATO"]}, {"COI": ["NATO-COSMIC", "NATO"]}, None),
        ({}, {"COI": ["NATO-COSMIC", "NATO"], **ANY}, "label_incoherent"),
        ({}, {"COI": ["GBR-US", "FVEY", "NATO"], **ANY}, "label_incoherent"),
        ({}, {"caveats": []}, None),
        ({}, {"caveats": ["NOFORN"]}, "label_incoherent"),
        ({"acpCOI": ["US-ONLY"]}, {"caveats": ["NOFORN"], "COI": ["US-ONLY"]}, "label_incoherent"),
        ({"acpCOI": ["US-ONLY"]}, {"caveats": ["NOFORN"], "COI": ["US-ONLY"], "releasabilityTo": ["USA"]}, None),
    ],
    "issuer": [({"countryOfAffiliation": "DEU"}, {"releasabilityTo": ["DEU"]}, "issuer_not_for_country")],
}


def roles(*names: object) -> dict[str, Any]:
    """A caller who has these, and nothing that a label would ask for."""
    return {**BARE, "realm": {"groups": [{"role": name} for name in names]}}


DENIED = "attribute_not_entitled"
# Rule of the checks on attributes -> claims, the policy, code.
ATTRIBUTES: dict[str, list[tuple[dict[str, Any], Any, str | None]]] = {
    "labels as attributes": [
        ({}, attributes(*GOOD), None),
        ({}, attributes(*(fqn.upper() for fqn in GOOD)), None),
        ({"clearance": "CONFIDENTIAL"}, attributes(*GOOD), DENIED),
        ({"countryOfAffiliation": "GBR"}, attributes(*GOOD), DENIED),
        ({"acpCOI": ["FVEY"]}, attributes(*GOOD), DENIED),
        ({"organizationType": "INDUSTRY"}, attributes(*GOOD), DENIED),
        ({"acr": "aal1", "amr": ["pwd"]}, attributes(*GOOD), DENIED),
        ({"derived": {"clearedLevels": ["SECRET"]}, "clearance": "U"}, attributes(*GOOD), DENIED),
        ({"uniqueID": ""}, attributes(*GOOD), "subject_incomplete"),
        (
            {"countryOfAffiliation": "DEU"},
            attributes(GOOD[0], f"{PREFIX}/releasability/value/deu"),
            "issuer_not_for_country",
        ),
        ({}, attributes(GOOD[0]), "label_invalid"),
        ({"acpCOI": ["US-ONLY", "NATO"]}, attributes(*GOOD, f"{PREFIX}/coi/value/us-only"), DENIED),
        (
            {"acpCOI": ["EU-RESTRICTED", "NATO-COSMIC"]},
            attributes(*GOOD[:2], f"{PREFIX}/coi/value/EU-RESTRICTED", f"{PREFIX}/coi/value/NATO-COSMIC"),
            "label_incoherent",
        ),
    ],
    "unknown": [
        ({}, attributes(*GOOD, ""), "attribute_unknown"),
        ({}, attributes(*GOOD, f"{PREFIX}/classification"), "attribute_unknown"),
        ({}, attributes(*GOOD, f"{PREFIX}/classification/value/cosmic"), "attribute_unknown"),
        ({}, attributes(*GOOD, f"{PREFIX}/other/value/secret"), "attribute_unknown"),
        ({}, attributes(*GOOD, f" {GOOD[0]}"), "attribute_unknown"),
        ({}, attributes(*GOOD, GOOD[0].replace("k", "\u212a")), "attribute_unknown"),
        ({}, attributes(*GOOD, f"{GOOD[0]}\n"), "attribute_unknown"),
        ({}, attributes(*(GOOD[:2] * 500)), None),
        ({}, attributes(*(GOOD[:2] * 500), GOOD[0]), "attribute_unknown"),
    ],
    "ALL_OF": [
        (roles("Red"), attributes(f"{TEAM}/red"), None),
        (roles("red"), attributes(f"{TEAM}/red"), DENIED),
        (roles("Red", "green"), attributes(f"{TEAM}/red", f"{TEAM}/green"), None),
        (roles("green"), attributes(f"{TEAM}/red", f"{TEAM}/green"), DENIED),
        (roles("Red", "blue"), attributes(f"{TEAM}/red", f"{TEAM}/blue"), "label_incoherent"),
    ],
    "ANY_OF": [
        (roles("south"), attributes(f"{SITE}/north", f"{SITE}/south"), None),
        (roles("green"), attributes(f"{SITE}/north", f"{SITE}/south"), DENIED),
        (roles("north"), attributes(f"{SITE}/north", f"{TEAM}/green"), DENIED),
    ],
    "HIERARCHY": [
        (roles("north", "middle"), attributes(f"{SITE}/north", f"{GRADE}/middle"), None),
        (roles("north", "high"), attributes(f"{SITE}/north", f"{GRADE}/middle"), None),
        (roles("north", "low"), attributes(f"{SITE}/north", f"{GRADE}/middle"), DENIED),
        (roles("north", "middle"), attributes(f"{SITE}/north", f"{GRADE}/low", f"{GRADE}/high"), DENIED),
        (roles("low"), attributes(f"{GRADE}/low"), "label_invalid"),
        (roles("low", "green"), attributes(f"{GRADE}/low", f"{TEAM}/green"), None),
    ],
    "conditions": [
        (roles("other"), attributes(f"{ODD}/not"), None),
        (roles("barred", "other"), attributes(f"{ODD}/not"), DENIED),
        (BARE, attributes(f"{ODD}/not"), DENIED),
        (roles("other", 7), attributes(f"{ODD}/not"), DENIED),
        (roles("other", " "), attributes(f"{ODD}/not"), DENIED),
        ({**BARE, "realm": {"groups": [{"role": "other"}, {}]}}, attributes(f"{ODD}/not"), DENIED),
        ({**BARE, "realm": {"groups": []}}, attributes(f"{ODD}/not"), DENIED),
        (roles("party"), attributes(f"{ODD}/part"), None),
        (roles("prty"), attributes(f"{ODD}/part"), DENIED),
        (roles("deep"), attributes(f"{ODD}/deep"), None),
        (roles("flat"), attributes(f"{ODD}/deep"), DENIED),
        (roles("a", "b"), attributes(f"{ODD}/and"), None),
        (roles("a"), attributes(f"{ODD}/and"), DENIED),
        (roles("a"), attributes(f"{ODD}/or"), None),
        (roles("b", "c"), attributes(f"{ODD}/or"), None),
        (roles("b"), attributes(f"{ODD}/or"), DENIED),
        (BARE, attributes(f"{ODD}/issuer"), None),
        ({**BARE, "iss": "https://other.example"}, attributes(f"{ODD}/issuer"), DENIED),
    ],
    "recipients": [
        (BARE, attributes(dissem=(MINE,)), None),
        (BARE | MAIL, attributes(dissem=("bob@corp.example", "alice@CORP.example")), None),
        (BARE | MAIL, attributes(dissem=("Alice@corp.example",)), "not_in_dissem"),
        (BARE | MAIL | {"email_verified": False}, attributes(dissem=("alice@corp.example",)), "not_in_dissem"),
        (BARE, attributes(dissem=(MINE.upper(),)), "not_in_dissem"),
        (BARE, attributes(dissem=("7f3c", "")), "not_in_dissem"),
        (BARE, attributes(dissem=(MINE,) * 1000), None),
        (BARE, attributes(dissem=(MINE,) * 1001), "not_in_dissem"),
        ({}, attributes(*GOOD, dissem=(MINE,)), None),
        ({"acpCOI": []}, attributes(*GOOD, dissem=(MINE,)), DENIED),
    ],
    "empty": [({}, attributes(), "policy_empty")],
}
