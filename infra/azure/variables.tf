variable "resource_group" {
  description = "Resource group of all that is made."
  type        = string
}

variable "location" {
  description = "Region of the account: the cluster's, so that nothing it writes crosses regions."
  type        = string
}

variable "account" {
  description = "Name of the storage account that is made for the tables."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.account))
    error_message = "An account's name has 3 to 24 lower-case letters and digits."
  }
}

variable "container" {
  description = "Container that holds the tables, and nothing else: the identities may list all of it."
  type        = string
  default     = "flowtoll"
}

variable "replication" {
  description = "Replication of the account: LRS, ZRS, GRS or GZRS."
  type        = string
  default     = "ZRS"
  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], var.replication)
    error_message = "It takes LRS, ZRS, GRS or GZRS."
  }
}

variable "subnet_ids" {
  description = "Subnets from which the account can be reached, through service endpoints: the nodes' of the cluster. Empty: from everywhere, with the right credentials."
  type        = list(string)
  default     = []
}

variable "key_vault_key_id" {
  description = "Key of a Key Vault that encrypts the account; empty: Microsoft's own keys."
  type        = string
  default     = ""
}

variable "oidc_issuer_url" {
  description = "Issuer of the AKS cluster: `az aks show --query oidcIssuerProfile.issuerUrl`."
  type        = string
  validation {
    condition     = startswith(var.oidc_issuer_url, "https://")
    error_message = "It is an https URL."
  }
}

variable "namespace" {
  description = "Namespace of the release."
  type        = string
  default     = "flowtoll"
}

variable "service_account" {
  description = "Service account of the aggregators."
  type        = string
  default     = "flowtoll-aggregator"
}

variable "report_service_account" {
  description = "Service account of the report jobs, which read only; empty: none."
  type        = string
  default     = ""
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
