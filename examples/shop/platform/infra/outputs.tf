output "dags_bucket" {
  description = "Where Headgate delivers the DAGs; goes to dags.targets in headgate.yaml."
  value       = google_composer_environment.shop.config[0].dag_gcs_prefix
}

output "delivery_service_account" {
  description = "Account that GitLab jobs act as."
  value       = google_service_account.delivery.email
}
