"""What deploys and watches the service: data that `deploy.sh` gives to gcloud, and its helpers of the standard library."""
