# Account and container. Tables are Delta tables: their log decides which files are live, so there is no management policy that would delete
# blobs by their age. Blocks that are never committed go by themselves, after a week.
#
# Azure has conditions of role assignments for the path of a blob, and none for a precondition of a write. So there is no guard here as on AWS:
# whoever may write blobs can overwrite an entry of the log. Let nobody but the aggregators write.

resource "azurerm_storage_account" "tables" {
  #checkov:skip=CKV_AZURE_33:There are no queues
  #checkov:skip=CKV_AZURE_206:By replication
  #checkov:skip=CKV_AZURE_35:By subnet_ids
  #checkov:skip=CKV_AZURE_59:By subnet_ids; public access to blobs is off, and keys are
  #checkov:skip=CKV2_AZURE_33:A private endpoint is the network's owner's decision
  #checkov:skip=CKV2_AZURE_1:By key_vault_key_id
  #checkov:skip=CKV2_AZURE_38:Soft delete would keep what vacuum deletes
  #checkov:skip=CKV2_AZURE_47:allow_nested_items_to_be_public is false
  name                            = var.account
  resource_group_name             = var.resource_group
  location                        = var.location
  account_tier                    = "Standard"
  account_kind                    = "StorageV2"
  account_replication_type        = var.replication
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
  # Identities only: no keys that somebody could copy, and no signatures made with them.
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  cross_tenant_replication_enabled = false
  local_user_enabled               = false
  public_network_access_enabled    = true
  tags                             = var.tags

  network_rules {
    default_action             = length(var.subnet_ids) == 0 ? "Allow" : "Deny"
    bypass                     = ["AzureServices"]
    virtual_network_subnet_ids = var.subnet_ids
  }

  sas_policy {
    expiration_period = "00.01:00:00"
    expiration_action = "Block"
  }

  dynamic "identity" {
    for_each = var.key_vault_key_id == "" ? [] : [1]
    content {
      type = "SystemAssigned"
    }
  }

  lifecycle {
    # It is what was counted.
    prevent_destroy = true
    # The key is set beside.
    ignore_changes = [customer_managed_key]
  }
}

# The account's identity has to be allowed to use the key (Key Vault Crypto Service Encryption User).
resource "azurerm_storage_account_customer_managed_key" "tables" {
  count              = var.key_vault_key_id == "" ? 0 : 1
  storage_account_id = azurerm_storage_account.tables.id
  key_vault_key_id   = var.key_vault_key_id
}

resource "azurerm_storage_container" "tables" {
  #checkov:skip=CKV2_AZURE_21:Logs of reads are the owner's decision: a diagnostic setting of the account
  name                  = var.container
  storage_account_id    = azurerm_storage_account.tables.id
  container_access_type = "private"
}
