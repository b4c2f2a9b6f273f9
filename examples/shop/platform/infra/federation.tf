# GitLab jobs of the default branch deliver without keys: their ID tokens are exchanged for short-lived credentials.
resource "google_iam_workload_identity_pool" "gitlab" {
  workload_identity_pool_id = "gitlab-${var.environment}"
  display_name              = "GitLab (${var.environment})"
}

resource "google_iam_workload_identity_pool_provider" "gitlab" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.gitlab.workload_identity_pool_id
  workload_identity_pool_provider_id = "gitlab"

  attribute_mapping = {
    "google.subject"         = "assertion.sub"
    "attribute.project_path" = "assertion.project_path"
  }

  attribute_condition = "assertion.project_path == '${var.gitlab_project}' && assertion.ref_protected == 'true'"

  oidc {
    issuer_uri        = var.gitlab_url
    allowed_audiences = [var.gitlab_url]
  }
}

resource "google_service_account" "delivery" {
  account_id   = "delivery-${var.environment}"
  display_name = "DAG delivery from GitLab (${var.environment})"
}

resource "google_service_account_iam_member" "delivery_from_gitlab" {
  service_account_id = google_service_account.delivery.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.gitlab.name}/attribute.project_path/${var.gitlab_project}"
}

resource "google_storage_bucket_iam_member" "delivery_dags" {
  bucket = split("/", trimprefix(google_composer_environment.shop.config[0].dag_gcs_prefix, "gs://"))[0]
  role   = "roles/storage.objectUser"
  member = google_service_account.delivery.member
}
