"""What each check of a decision looked at, in words for the caller whose policy and token it was.

Decides nothing: whether a check passed is the engine's to say, whoever that is. What is told is what the policy says, which
the caller sent, what his own token says and what this service's rules make of that; of the conditions that entitle to an
attribute, of what it requires and of other callers, nothing.
"""
