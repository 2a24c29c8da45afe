data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  bucket = var.create_bucket ? aws_s3_bucket.tables[0].id : var.bucket
  # What the policies name.
  names = {
    partition   = data.aws_partition.current.partition
    dns_suffix  = data.aws_partition.current.dns_suffix
    region      = data.aws_region.current.name
    bucket      = var.bucket
    prefix      = var.prefix
    kms_key_arn = var.kms_key_arn
  }
  has_kms = var.kms_key_arn != ""
  # Who may do what, by who it is: the aggregators write, report jobs read.
  accounts = {
    for name, account in { aggregator = var.service_account, reader = var.report_service_account } :
    name => account if account != "" && var.identity != "none"
  }
  boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
  # The issuer without its scheme, as conditions of the trust policy name it.
  issuer = var.identity == "irsa" ? regex("oidc-provider/(.+)$", var.oidc_provider_arn)[0] : ""
}
