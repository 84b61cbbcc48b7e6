"""Google Cloud's interfaces as far as the service needs them: tokens, Secret Manager, Cloud KMS."""
