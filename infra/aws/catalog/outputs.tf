output "database" {
  description = "Database of the Glue catalogue."
  value       = aws_glue_catalog_database.flowtoll.name
}

output "crawler" {
  description = "Crawler to start: `aws glue start-crawler --name …`."
  value       = aws_glue_crawler.flowtoll.name
}
