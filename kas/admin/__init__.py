"""Commands of administrators. The service imports none of this; each command is run by a person, with his own account.

Google's own clients are used here, over REST, with application default credentials.
"""
