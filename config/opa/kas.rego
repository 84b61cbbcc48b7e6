# The decision of this service, for an Open Policy Agent that is asked for data.kas.decision: what kas/policy decides,
# said again. docs/opa.md has the input document, and how the files of config/ become data.labels, data.countries and
# data.attributes: no list, level or pair is repeated here. tests/policy_backends holds both to one table of cases.
#
# A check is passed only when a rule below says so. What is unknown, empty, missing or of another type leaves a rule
# undefined, and a check that no rule passes is failed.
package kas

decision := {"allow": allow, "reason": reason, "checks": checks}

default allow := false

allow if {
	count(checks) > 0
	every check in checks { check.passed }
}

# The first that failed; without any check nothing is known of the subject.
reason := "" if allow

else := code_of(failed[0]) if count(failed) > 0

else := "subject_incomplete"

failed := [check.name | some check in checks; not check.passed]

checks := [{"name": name, "passed": name in passed} |
	some [name, _] in table[input.resource.vocabulary]
]

default passed := set()

passed := label_passed if input.resource.vocabulary == "label"

passed := attributes_passed if input.resource.vocabulary == "attributes"

# In the order of the checks, each with the code that it denies with.
table := {
	"label": [
		["subject_complete", "subject_incomplete"],
		["label_complete", "label_invalid"],
		["clearance", "clearance_insufficient"],
		["releasability", "country_not_releasable"],
		["coi", "coi_not_satisfied"],
		["embargo", "embargoed"],
		["authentication_strength", "authentication_too_weak"],
		["industry", "industry_not_releasable"],
		["label_coherence", "label_incoherent"],
		["issuer", "issuer_not_for_country"],
	],
	"attributes": [
		["policy", "policy_empty"],
		["attributes_known", "attribute_unknown"],
		["subject_complete", "subject_incomplete"],
		["label_complete", "label_invalid"],
		["label_coherence", "label_incoherent"],
		["all_of", "attribute_not_entitled"],
		["any_of", "attribute_not_entitled"],
		["hierarchy", "attribute_not_entitled"],
		["issuer", "issuer_not_for_country"],
		["dissem", "not_in_dissem"],
	],
}

# Two checks deny with another code in one case each.
code_of("clearance") := "clearance_unknown" if not is_cleared_somehow

else := "clearance_insufficient"

code_of("embargo") := "label_invalid" if not is_dated

else := "embargoed"

code_of(name) := code if {
	not name in {"clearance", "embargo"}
	some [check, code] in table[input.resource.vocabulary]
	check == name
}

# ---- the subject

subject := input.subject

countries := {country | some country in data.countries.countries}

country := subject.country if subject.country in countries

is_complete if {
	is_text(subject.uniqueId)
	is_text(subject.clearance)
	country
}

is_text(value) if {
	is_string(value)
	value != ""
}

rank_of(level) := [rank | some rank, name in data.labels.levels; name == level][0]

# The rank of the clearance; a national term is mapped before this is asked.
cleared := rank_of(subject.clearanceLevel) if country

is_cleared_somehow if is_number(cleared)

communities := {community | some community in subject.coi}

aal := subject.acrLevel if is_number(subject.acrLevel)

is_multi_factor if {
	count({class | some class, methods in data.labels.authentication.classes; some m in methods; m in subject.amr}) > 1
}

is_multi_factor if {
	some method in subject.amr
	method in data.labels.authentication.countAsTwo
}

is_strong_for(rank) if rank < rank_of(data.labels.authentication.twoClassesFrom)

is_strong_for(rank) if {
	rank < rank_of(data.labels.authentication.aal3From)
	aal >= 2
}

is_strong_for(rank) if {
	rank < rank_of(data.labels.authentication.aal3From)
	is_multi_factor
}

is_strong_for(_) if aal >= 3

is_government if subject.organizationType in data.labels.industry.governmentTypes

is_within_cap(_) if {
	country
	is_government
}

is_within_cap(rank) if {
	rules := data.labels.industry
	rank <= rank_of(object.get(rules.caps, country, rules.defaultCap))
}

may_issuer_speak if subject.issuerSpeaksForCountry == true

# ---- a label, read as a whole or not at all

sent := input.resource.label

label := {
	"rank": rank_of(sent.classification),
	"countries": texts("releasabilityTo"),
	"coi": texts("COI"),
	"operator": object.get(sent, "coiOperator", "ALL"),
	"has_date": "creationDate" in object.keys(sent),
	"industry": object.get(sent, "releasableToIndustry", false),
	"caveats": texts("caveats"),
} if {
	count(texts("releasabilityTo")) > 0
	every one in texts("releasabilityTo") { one in countries }
	every one in texts("caveats") { one in object.keys(data.labels.coherence.caveats) }
	is_string(object.get(sent, "coiOperator", "ALL"))
	is_string(object.get(sent, "creationDate", ""))
	is_boolean(object.get(sent, "releasableToIndustry", false))
}

texts(member) := {item | some item in items} if {
	items := object.get(sent, member, [])
	is_array(items)
	every item in items { is_text(item) }
}

label_passed contains "subject_complete" if is_complete

label_passed contains "label_complete" if label

label_passed contains "clearance" if cleared >= label.rank

label_passed contains "releasability" if country in label.countries

label_passed contains "coi" if {
	label.operator in {"ALL", "ANY"}
	count(exclusive) == 0
	count(label.coi - communities) == 0
}

label_passed contains "coi" if {
	label.operator == "ANY"
	count(exclusive) == 0
	count(label.coi & communities) > 0
}

label_passed contains "coi" if {
	label.operator in {"ALL", "ANY"}
	count(exclusive) > 0
	communities == exclusive
}

exclusive := label.coi & {one | some one in data.labels.coherence.exclusive}

label_passed contains "embargo" if label.has_date == false

label_passed contains "embargo" if {
	label.has_date
	is_dated
	is_number(input.context.time)
	input.context.time >= input.resource.createdAt
}

# A creation date that is none has no time.
is_dated if is_number(input.resource.createdAt)

label_passed contains "authentication_strength" if is_strong_for(label.rank)

label_passed contains "industry" if {
	is_within_cap(label.rank)
	is_government
}

label_passed contains "industry" if {
	is_within_cap(label.rank)
	label.industry
}

label_passed contains "label_coherence" if {
	stands_alone
	every pair in kept_apart {
		count({one | some one in pair} - label.coi) > 0
	}
	every caveat in label.caveats { keeps(data.labels.coherence.caveats[caveat]) }
}

stands_alone if count(label.coi) <= 1

stands_alone if count(exclusive) == 0

kept_apart := data.labels.coherence.neverTogether if label.operator != "ANY"

kept_apart := array.concat(data.labels.coherence.neverTogether, data.labels.coherence.notTogetherWithAny) if {
	label.operator == "ANY"
}

keeps(demand) if {
	{one | some one in object.get(demand, "COI", label.coi)} == label.coi
	{one | some one in object.get(demand, "releasabilityTo", label.countries)} == label.countries
}

label_passed contains "issuer" if may_issuer_speak

# ---- attributes

fqns := input.resource.attributes

recipients := input.resource.dissem

# By name, in lower case, as all that follows.
definitions[name] := definition if {
	some definition in data.attributes.definitions
	name := lower(sprintf("https://%s/attr/%s", [definition.namespace, definition.name]))
}

# Of each attribute its values with their places, the highest first.
places[name] := {lower(value): place | some place, value in definitions[name].values} if some name, _ in definitions

# Name and value of a text that names an attribute value that is defined. ASCII first: some letters outside it have an
# ASCII lower case.
named(fqn) := {"name": name, "place": places[name][value]} if {
	count(fqn) <= 512
	regex.match(`^[!-~]+$`, fqn)
	[[_, name, value]] := regex.find_all_string_submatch_n(`^(https://[^/]+/attr/[^/]+)/value/([^/]+)$`, lower(fqn), 1)
	definitions[name]
}

are_known if {
	count(fqns) <= 1000
	every fqn in fqns { named(fqn) }
}

# Of each attribute on the data the places of the values that the data has of it.
demands := {name: {one.place | some one in found; one.name == name} | some name in {one.name | some one in found}} if {
	are_known
	found := [named(fqn) | some fqn in fqns]
}

attributes_passed contains "policy" if count(fqns) + count(recipients) > 0

attributes_passed contains "policy" if input.context.allowEmptyPolicy == true

attributes_passed contains "attributes_known" if are_known

attributes_passed contains "subject_complete" if is_complete

attributes_passed contains "subject_complete" if builds_on_no_rules

attributes_passed contains "label_complete" if {
	every name, _ in demands {
		every either in object.get(definitions[name], "requires", []) {
			some other in either
			demands[other]
		}
	}
}

attributes_passed contains "label_coherence" if {
	every name, held in demands {
		every pair in object.get(definitions[name], "neverTogether", []) {
			count({places[name][lower(value)] | some value in pair} - held) > 0
		}
	}
}

attributes_passed contains "all_of" if {
	every name, held in demands { meets_all_of(name, held) }
}

attributes_passed contains "any_of" if {
	every name, held in demands { meets_any_of(name, held) }
}

attributes_passed contains "hierarchy" if {
	every name, held in demands { meets_hierarchy(name, held) }
}

meets_all_of(name, _) if definitions[name].rule in {"ANY_OF", "HIERARCHY"}

meets_all_of(name, held) if {
	definitions[name].rule == "ALL_OF"
	every place in held { is_entitled(name, place) }
}

meets_any_of(name, _) if definitions[name].rule in {"ALL_OF", "HIERARCHY"}

meets_any_of(name, held) if {
	definitions[name].rule == "ANY_OF"
	some place in held
	is_entitled(name, place)
}

meets_hierarchy(name, _) if definitions[name].rule in {"ALL_OF", "ANY_OF"}

meets_hierarchy(name, held) if {
	definitions[name].rule == "HIERARCHY"
	some place in numbers.range(0, min(held))
	is_entitled(name, place)
}

attributes_passed contains "issuer" if may_issuer_speak

attributes_passed contains "issuer" if builds_on_no_rules

attributes_passed contains "dissem" if recipients == []

attributes_passed contains "dissem" if {
	count(recipients) <= 1000
	some recipient in recipients
	some name in subject.names
	is_same_name(recipient, name)
}

# A domain is compared without case; names of subjects, which have a "#", and all else as they are.
is_same_name(recipient, name) if recipient == name

is_same_name(recipient, name) if {
	not contains(name, "#")
	[local, domain] := split(recipient, "@")
	regex.match(`^[A-Za-z0-9.-]+$`, domain)
	name == sprintf("%s@%s", [local, lower(domain)])
}

# ---- entitlements

# No condition of the data's attributes uses what the rules derive of a subject.
builds_on_no_rules if {
	every name, _ in demands {
		used := entitlements(definitions[name])
		count([node | some one in used; walk(one, [_, node]); is_derived(node)]) == 0
	}
}

is_derived(node) if startswith(node.selector, ".derived.")

# Those that some value uses.
entitlements(definition) := [one | some one in own] if {
	own := object.get(definition, "entitlements", {})
	count({value | some value in definition.values} - object.keys(own)) == 0
}

else := array.concat([definition.entitlement], [one | some one in object.get(definition, "entitlements", {})])

is_entitled(name, place) if {
	definition := definitions[name]
	value := definition.values[place]
	entitlement := object.get(object.get(definition, "entitlements", {}), value, object.get(definition, "entitlement", {}))
	met_8(entitlement, value)
}

# Groups are nested 8 deep at most, the conditions being the last; a rule cannot call itself.
met_8(e, v) if met_1(e, v)

met_8(e, v) if some_of(e, [part | some part in e.OR; met_7(part, v)])

met_8(e, v) if all_of(e, [part | some part in e.AND; met_7(part, v)])

met_7(e, v) if met_1(e, v)

met_7(e, v) if some_of(e, [part | some part in e.OR; met_6(part, v)])

met_7(e, v) if all_of(e, [part | some part in e.AND; met_6(part, v)])

met_6(e, v) if met_1(e, v)

met_6(e, v) if some_of(e, [part | some part in e.OR; met_5(part, v)])

met_6(e, v) if all_of(e, [part | some part in e.AND; met_5(part, v)])

met_5(e, v) if met_1(e, v)

met_5(e, v) if some_of(e, [part | some part in e.OR; met_4(part, v)])

met_5(e, v) if all_of(e, [part | some part in e.AND; met_4(part, v)])

met_4(e, v) if met_1(e, v)

met_4(e, v) if some_of(e, [part | some part in e.OR; met_3(part, v)])

met_4(e, v) if all_of(e, [part | some part in e.AND; met_3(part, v)])

met_3(e, v) if met_1(e, v)

met_3(e, v) if some_of(e, [part | some part in e.OR; met_2(part, v)])

met_3(e, v) if all_of(e, [part | some part in e.AND; met_2(part, v)])

met_2(e, v) if met_1(e, v)

met_2(e, v) if some_of(e, [part | some part in e.OR; met_1(part, v)])

met_2(e, v) if all_of(e, [part | some part in e.AND; met_1(part, v)])

some_of(_, parts_met) if count(parts_met) > 0

all_of(entitlement, parts_met) if {
	count(parts_met) > 0
	count(parts_met) == count(entitlement.AND)
}

# A condition: what its selector finds is there, and text as a whole.
met_1(condition, value) if {
	found := subject.selected[condition.selector]
	is_array(found)
	count(found) > 0
	every text in found { is_text(text) }
	wanted := {object.get({"$value": value}, text, text) | some text in condition.values}
	compares(condition.operator, {text | some text in found}, wanted)
}

compares("IN", found, wanted) if count(found & wanted) > 0

compares("NOT_IN", found, wanted) if count(found & wanted) == 0

compares("IN_CONTAINS", found, wanted) if {
	some text in found
	some part in wanted
	contains(text, part)
}
