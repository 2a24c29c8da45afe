output "store" {
  description = "Value `store` of the chart; a prefix may follow, `/flowtoll`."
  value       = "az://${azurerm_storage_container.tables.name}"
}

output "client_ids" {
  description = "Client ids of the managed identities by who has them."
  value       = { for name, identity in azurerm_user_assigned_identity.this : name => identity.client_id }
}

output "chart_values" {
  description = "Values of the chart, as YAML: store, account and the annotations of workload identity."
  value = yamlencode({
    store    = "az://${azurerm_storage_container.tables.name}"
    storeEnv = { AZURE_STORAGE_ACCOUNT = azurerm_storage_account.tables.name }
    aggregator = {
      serviceAccount = { annotations = { "azure.workload.identity/client-id" = azurerm_user_assigned_identity.this["aggregator"].client_id } }
      podLabels      = { "azure.workload.identity/use" = "true" }
    }
  })
}
