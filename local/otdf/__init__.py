"""A published OpenTDF client, unmodified and in an environment of its own: `setup.sh` installs it, `client` runs it."""
