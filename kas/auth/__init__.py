"""Who asks: access tokens (RFC 9068), DPoP proofs (RFC 9449), nonces, and the authenticator that puts them in order."""
