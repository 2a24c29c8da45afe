# The tables in the Glue catalogue, so that Athena, Redshift Spectrum and EMR find them; and a workgroup of Athena with a bound of what one
# query may scan. A crawler reads the Delta logs: columns come from there, and nothing is copied. It runs when it is started
# (`aws glue start-crawler`): once, and again after a version that adds columns.

resource "aws_glue_catalog_database" "flowtoll" {
  name        = var.database
  description = "Flowtoll's tables: flows, costs_hourly, endpoints."
  tags        = var.tags
}

resource "aws_glue_crawler" "flowtoll" {
  #checkov:skip=CKV_AWS_195:It reads logs of tables in an encrypted bucket and writes names of columns; what it logs is in no bucket
  name          = "${var.role_prefix}-tables"
  database_name = aws_glue_catalog_database.flowtoll.name
  role          = aws_iam_role.crawler.arn
  table_prefix  = var.table_prefix
  tags          = var.tags

  delta_target {
    delta_tables              = [for table in var.tables : "s3://${var.bucket}/${var.prefix}${var.cluster}/${table}/"]
    create_native_delta_table = true
    write_manifest            = false
  }

  schema_change_policy {
    delete_behavior = "LOG"
    update_behavior = "UPDATE_IN_DATABASE"
  }
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["glue.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "crawler" {
  name               = "${var.role_prefix}-crawler"
  description        = "Glue's crawler of Flowtoll's tables"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

# As a reader of the bucket, and of the catalogue what the crawler writes.
resource "aws_iam_role_policy" "tables" {
  name = "tables"
  role = aws_iam_role.crawler.id
  policy = templatefile("${path.module}/../policies/reader.json", {
    partition = data.aws_partition.current.partition
    bucket    = var.bucket
    prefix    = var.prefix
  })
}

resource "aws_iam_role_policy" "key" {
  count = var.kms_key_arn == "" ? 0 : 1
  name  = "key"
  role  = aws_iam_role.crawler.id
  policy = templatefile("${path.module}/../policies/reader-kms.json", {
    kms_key_arn = var.kms_key_arn
    region      = data.aws_region.current.name
    dns_suffix  = data.aws_partition.current.dns_suffix
  })
}

locals {
  arn = "arn:${data.aws_partition.current.partition}"
  own = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
}

data "aws_iam_policy_document" "catalogue" {
  statement {
    sid     = "Catalogue"
    actions = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:CreateTable", "glue:UpdateTable"]
    resources = [
      "${local.arn}:glue:${local.own}:catalog",
      "${local.arn}:glue:${local.own}:database/${var.database}",
      "${local.arn}:glue:${local.own}:table/${var.database}/*",
    ]
  }
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.arn}:logs:${local.own}:log-group:/aws-glue/crawlers*"]
  }
}

resource "aws_iam_role_policy" "catalogue" {
  name   = "catalogue"
  role   = aws_iam_role.crawler.id
  policy = data.aws_iam_policy_document.catalogue.json
}

resource "aws_athena_workgroup" "flowtoll" {
  count       = var.athena_results == "" ? 0 : 1
  name        = var.role_prefix
  description = "Queries over Flowtoll's tables."
  tags        = var.tags

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.athena_bytes_max
    engine_version {
      selected_engine_version = "Athena engine version 3"
    }
    result_configuration {
      output_location = var.athena_results
      encryption_configuration {
        encryption_option = var.kms_key_arn == "" ? "SSE_S3" : "SSE_KMS"
        kms_key_arn       = var.kms_key_arn == "" ? null : var.kms_key_arn
      }
    }
  }
}
