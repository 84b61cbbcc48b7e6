"""The edge: what HTTP looks like here. `edge` answers, `body` reads, `host` fits us into the functions host."""
