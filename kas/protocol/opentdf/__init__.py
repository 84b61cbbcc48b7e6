"""The OpenTDF dialect: REST and Connect, protocol versions 1 and 2, what unmodified clients send and look for."""
