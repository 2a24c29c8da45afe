# Who the pods are in Azure: a managed identity for each service account, which the cluster's issuer vouches for; no secrets.

locals {
  accounts = {
    for name, account in { aggregator = var.service_account, reader = var.report_service_account } :
    name => account if account != ""
  }
  # Built-in roles: Azure grants data by these, and has no narrower ones that create, delete and list.
  roles = {
    aggregator = "Storage Blob Data Contributor"
    reader     = "Storage Blob Data Reader"
  }
}

resource "azurerm_user_assigned_identity" "this" {
  for_each            = local.accounts
  name                = "flowtoll-${each.key}"
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "this" {
  for_each            = local.accounts
  name                = "kubernetes"
  resource_group_name = var.resource_group
  parent_id           = azurerm_user_assigned_identity.this[each.key].id
  issuer              = var.oidc_issuer_url
  audience            = ["api://AzureADTokenExchange"]
  subject             = "system:serviceaccount:${var.namespace}:${each.value}"
}

resource "azurerm_role_assignment" "this" {
  for_each             = local.accounts
  scope                = azurerm_storage_container.tables.resource_manager_id
  role_definition_name = local.roles[each.key]
  principal_id         = azurerm_user_assigned_identity.this[each.key].principal_id
  principal_type       = "ServicePrincipal"
}
