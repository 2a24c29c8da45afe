variable "bucket" {
  description = "Name of the bucket that holds the tables."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket)) && !endswith(var.bucket, "--x-s3")
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens. Directory buckets (S3 Express One Zone, --x-s3) cannot hold tables: they list in no order."
  }
}

variable "create_bucket" {
  description = "Whether the bucket is made here. Without, only its policy, its lifecycle and the identities are."
  type        = bool
  default     = true
}

variable "prefix" {
  description = "Where below the bucket the tables are: empty, or a path that ends with a slash, such as \"flowtoll/\"."
  type        = string
  default     = "flowtoll/"
  validation {
    condition     = var.prefix == "" || can(regex("^([A-Za-z0-9_=.-]+/)+$", var.prefix))
    error_message = "A prefix is empty, or has letters, digits, \"_\", \"=\", \".\" and \"-\", and ends with a slash."
  }
}

variable "manage_bucket_policy" {
  description = "Whether the policy of the bucket is made here. A bucket has one policy: switch it off where it has another, and join policies/bucket.json to that."
  type        = bool
  default     = true
}

variable "manage_lifecycle" {
  description = "Whether the lifecycle of the bucket is made here. A bucket has one: switch it off where it has another, and add the rule for unfinished uploads to that."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Key that encrypts the bucket (SSE-KMS); empty: S3's own keys (SSE-S3). Its key policy has to let IAM of the account decide."
  type        = string
  default     = ""
  validation {
    condition     = var.kms_key_arn == "" || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "A key is named by its ARN, arn:aws:kms:REGION:ACCOUNT:key/ID; an alias will not do for a policy."
  }
}

variable "identity" {
  description = "How the aggregators' pods are known: \"irsa\" (the cluster's OIDC provider), \"pod-identity\" (the EKS Pod Identity agent), or \"none\" (no roles are made)."
  type        = string
  default     = "irsa"
  validation {
    condition     = contains(["irsa", "pod-identity", "none"], var.identity)
    error_message = "It takes irsa, pod-identity or none."
  }
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider in IAM, for \"irsa\"."
  type        = string
  default     = ""
}

variable "eks_cluster" {
  description = "Name of the EKS cluster, for \"pod-identity\"."
  type        = string
  default     = ""
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
  description = "Service account of the report jobs, which read only; empty: no role for them."
  type        = string
  default     = ""
}

variable "role_prefix" {
  description = "Beginning of the names of roles and policies."
  type        = string
  default     = "flowtoll"
}

variable "permissions_boundary" {
  description = "ARN of a permissions boundary for the roles; empty: none."
  type        = string
  default     = ""
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
