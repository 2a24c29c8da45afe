# The tables in BigQuery, read where they are (BigLake over Delta): columns come from the Delta log, and nothing is copied.

locals {
  bucket = regex("^gs://([^/]+)", var.store)[0]
}

resource "google_bigquery_dataset" "flowtoll" {
  #checkov:skip=CKV_GCP_81:By kms_key; the data stays in the bucket, with its key
  project     = var.project
  dataset_id  = var.dataset
  location    = var.location
  description = "Flowtoll's tables of the cluster ${var.cluster}."
  labels      = var.labels

  dynamic "default_encryption_configuration" {
    for_each = var.kms_key == "" ? [] : [var.kms_key]
    content {
      kms_key_name = default_encryption_configuration.value
    }
  }
}

resource "google_bigquery_connection" "bucket" {
  project       = var.project
  location      = var.location
  connection_id = "${var.dataset}-bucket"
  description   = "Reads the bucket of Flowtoll's tables."
  cloud_resource {}
}

# Whoever may read the tables in BigQuery reads by this connection, not by rights of their own.
resource "google_storage_bucket_iam_member" "connection" {
  bucket = local.bucket
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_bigquery_connection.bucket.cloud_resource[0].service_account_id}"
}

resource "google_bigquery_table" "this" {
  #checkov:skip=CKV_GCP_80:By kms_key of the dataset; the data stays in the bucket, with its key
  #checkov:skip=CKV_GCP_121:It holds nothing: what it names is in the bucket
  for_each            = toset(var.tables)
  project             = var.project
  dataset_id          = google_bigquery_dataset.flowtoll.dataset_id
  table_id            = each.value
  labels              = var.labels
  deletion_protection = false

  external_data_configuration {
    autodetect    = true
    source_format = "DELTA_LAKE"
    source_uris   = ["${var.store}/${var.cluster}/${each.value}"]
    connection_id = google_bigquery_connection.bucket.name
  }

  depends_on = [google_storage_bucket_iam_member.connection]
}
