output "dataset" {
  description = "Dataset with the tables: `SELECT … FROM DATASET.flows`."
  value       = google_bigquery_dataset.flowtoll.dataset_id
}
