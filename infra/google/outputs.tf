output "store" {
  description = "Value `store` of the chart; a prefix may follow, `/flowtoll`."
  value       = "gs://${local.bucket}"
}

output "chart_values" {
  description = "Values of the chart, as YAML. Pods need no annotation."
  value       = yamlencode({ store = "gs://${local.bucket}" })
}
