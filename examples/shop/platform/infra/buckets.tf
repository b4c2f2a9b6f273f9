locals {
  # Lifetime of the objects of each zone, days; null keeps them. Raw and standardised hold personal data.
  zones = {
    raw          = 30
    standardised = 30
    staging      = 90
    curated      = null
  }
}

resource "google_storage_bucket" "zone" {
  for_each = local.zones

  name                        = "${var.project}-shop-${each.key}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = each.key == "curated"
  }

  dynamic "lifecycle_rule" {
    for_each = each.value == null ? [] : [each.value]

    content {
      condition {
        age = lifecycle_rule.value
      }
      action {
        type = "Delete"
      }
    }
  }

  labels = {
    team = "data-platform"
    zone = each.key
  }
}
