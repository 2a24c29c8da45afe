variable "project" {
  description = "Id of the project of the dataset."
  type        = string
}

variable "location" {
  description = "Location of dataset and connection: the bucket's."
  type        = string
}

variable "store" {
  description = "Where the tables are, as the chart has it: gs://bucket or gs://bucket/prefix."
  type        = string
  validation {
    condition     = can(regex("^gs://[^/]+(/[^/]+)*$", var.store))
    error_message = "It is gs://bucket or gs://bucket/prefix, without a slash at the end."
  }
}

variable "cluster" {
  description = "Name of the cluster whose tables these are: value `cluster` of the chart."
  type        = string
}

variable "tables" {
  description = "Tables that are registered. They must exist: BigQuery reads their logs when they are."
  type        = list(string)
  default     = ["flows", "costs_hourly", "endpoints"]
}

variable "dataset" {
  description = "Dataset that is made for them; letters, digits and \"_\"."
  type        = string
  default     = "flowtoll"
}

variable "kms_key" {
  description = "Cloud KMS key of the dataset; empty: Google's own keys."
  type        = string
  default     = ""
}

variable "labels" {
  description = "Labels of what is made."
  type        = map(string)
  default     = {}
}
