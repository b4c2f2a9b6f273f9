resource "google_service_account" "composer" {
  account_id   = "composer-${var.environment}"
  display_name = "Composer workers (${var.environment})"
}

resource "google_project_iam_member" "composer_worker" {
  project = var.project
  role    = "roles/composer.worker"
  member  = google_service_account.composer.member
}

resource "google_storage_bucket_iam_member" "composer_zones" {
  for_each = google_storage_bucket.zone

  bucket = each.value.name
  role   = "roles/storage.objectUser"
  member = google_service_account.composer.member
}

resource "google_composer_environment" "shop" {
  name   = "shop-${var.environment}"
  region = var.region

  config {
    environment_size = var.environment == "prod" ? "ENVIRONMENT_SIZE_MEDIUM" : "ENVIRONMENT_SIZE_SMALL"

    software_config {
      image_version = "composer-3-airflow-3"

      airflow_config_overrides = {
        core-dags_are_paused_at_creation = "True"
      }
    }

    node_config {
      service_account = google_service_account.composer.email
    }
  }

  depends_on = [google_project_iam_member.composer_worker]
}
