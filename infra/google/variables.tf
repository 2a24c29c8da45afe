variable "project" {
  description = "Id of the project of the bucket and of the GKE cluster's workload identity pool."
  type        = string
}

variable "project_number" {
  description = "Number of that project: principals of workload identity are named by it."
  type        = string
  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "It is the number of the project, not its id."
  }
}

variable "bucket" {
  description = "Name of the bucket that holds the tables, and nothing else: the identities may list all of it."
  type        = string
}

variable "create_bucket" {
  description = "Whether the bucket is made here. Without, only the identities are."
  type        = bool
  default     = true
}

variable "location" {
  description = "Location of the bucket: the region of the cluster, so that nothing it writes crosses regions."
  type        = string
}

variable "kms_key" {
  description = "Cloud KMS key that encrypts the bucket, projects/…/cryptoKeys/…; empty: Google's own keys. Cloud Storage's service agent of the project must be allowed to use it."
  type        = string
  default     = ""
  validation {
    condition     = var.kms_key == "" || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "A key is named projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY."
  }
}

variable "soft_delete_days" {
  description = "How long deleted objects can be restored, 0 or 7 to 90 days. They are billed meanwhile, and compaction deletes most of what is written."
  type        = number
  default     = 0
  validation {
    condition     = var.soft_delete_days == 0 || (var.soft_delete_days >= 7 && var.soft_delete_days <= 90)
    error_message = "It takes 0, or 7 to 90."
  }
}

variable "log_bucket" {
  description = "Bucket for access logs; empty: none."
  type        = string
  default     = ""
}

variable "namespace" {
  description = "Namespace of the release."
  type        = string
  default     = "flowtoll"
}

variable "service_account" {
  description = "Kubernetes service account of the aggregators."
  type        = string
  default     = "flowtoll-aggregator"
}

variable "report_service_account" {
  description = "Kubernetes service account of the report jobs, which read only; empty: none."
  type        = string
  default     = ""
}

variable "role_prefix" {
  description = "Beginning of the ids of the custom roles; letters, digits, \"_\" and \".\"."
  type        = string
  default     = "flowtoll"
}

variable "labels" {
  description = "Labels of the bucket."
  type        = map(string)
  default     = {}
}
