# The bucket and who may use it. Tables are Delta tables: their log decides which files are live, so nothing here may delete an object by its
# age.
#
# Cloud Storage has no condition by which a policy could ask for a precondition of a write. So there is no guard here as on AWS: whoever may
# create objects can overwrite an entry of the log. Let nobody but the aggregators write.

resource "google_storage_bucket" "tables" {
  #checkov:skip=CKV_GCP_78:Versions would keep what vacuum deletes; the Delta log has a history of its own
  #checkov:skip=CKV_GCP_62:By log_bucket; Cloud Audit Logs do it as well
  count                       = var.create_bucket ? 1 : 0
  project                     = var.project
  name                        = var.bucket
  location                    = var.location
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  # What is never finished, and nothing else.
  lifecycle_rule {
    condition {
      age = 1
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key == "" ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }

  dynamic "logging" {
    for_each = var.log_bucket == "" ? [] : [var.log_bucket]
    content {
      log_bucket = logging.value
    }
  }

  lifecycle {
    # It is what was counted.
    prevent_destroy = true
  }
}

# Exactly what is asked for; roles/storage.objectUser allows more.
resource "google_project_iam_custom_role" "aggregator" {
  project     = var.project
  role_id     = "${var.role_prefix}.aggregator"
  title       = "Flowtoll aggregator"
  description = "Reads, creates and deletes objects of the bucket of the tables."
  permissions = [
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
  ]
}

resource "google_project_iam_custom_role" "reader" {
  count       = var.report_service_account == "" ? 0 : 1
  project     = var.project
  role_id     = "${var.role_prefix}.reader"
  title       = "Flowtoll reader"
  description = "Reads objects of the bucket of the tables."
  permissions = [
    "storage.objects.get",
    "storage.objects.list",
  ]
}

locals {
  bucket = var.create_bucket ? google_storage_bucket.tables[0].name : var.bucket
  # Pods as they are in the cluster: no Google service account, and no key, is between.
  pool = "principal://iam.googleapis.com/projects/${var.project_number}/locations/global/workloadIdentityPools/${var.project}.svc.id.goog/subject/ns/${var.namespace}/sa"
}

resource "google_storage_bucket_iam_member" "aggregator" {
  bucket = local.bucket
  role   = google_project_iam_custom_role.aggregator.id
  member = "${local.pool}/${var.service_account}"
}

resource "google_storage_bucket_iam_member" "reader" {
  count  = var.report_service_account == "" ? 0 : 1
  bucket = local.bucket
  role   = google_project_iam_custom_role.reader[0].id
  member = "${local.pool}/${var.report_service_account}"
}
