variable "bucket" {
  description = "Name of the bucket that holds the tables."
  type        = string
}

variable "prefix" {
  description = "Where below the bucket the tables are, as of the module aws: empty, or a path that ends with a slash."
  type        = string
  default     = "flowtoll/"
}

variable "cluster" {
  description = "Name of the cluster whose tables these are: value `cluster` of the chart."
  type        = string
}

variable "tables" {
  description = "Tables that are registered."
  type        = list(string)
  default     = ["flows", "costs_hourly", "endpoints"]
}

variable "database" {
  description = "Database of the Glue catalogue that is made for them."
  type        = string
  default     = "flowtoll"
}

variable "table_prefix" {
  description = "Beginning of the tables' names, for databases with tables of several clusters."
  type        = string
  default     = ""
}

variable "kms_key_arn" {
  description = "Key that encrypts the bucket, as of the module aws; empty: none."
  type        = string
  default     = ""
}

variable "athena_results" {
  description = "Where Athena puts results, s3://bucket/path/, not below the tables; empty: no workgroup is made."
  type        = string
  default     = ""
  validation {
    condition     = var.athena_results == "" || can(regex("^s3://.+/$", var.athena_results))
    error_message = "It is empty or an S3 URL that ends with a slash."
  }
}

variable "athena_bytes_max" {
  description = "Most bytes that one query may scan: it is ended beyond them. Athena bills what is scanned."
  type        = number
  default     = 1099511627776
  validation {
    condition     = var.athena_bytes_max >= 10485760
    error_message = "Athena takes 10485760 (10 MB) at least."
  }
}

variable "role_prefix" {
  description = "Beginning of the names of what is made."
  type        = string
  default     = "flowtoll"
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
