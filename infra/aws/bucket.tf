# The bucket. Tables are Delta tables: their log decides which files are live, so nothing here may delete an object below the prefix. There
# is no versioning: vacuum deletes what nobody needs any more, and versions would keep all of it.

resource "aws_s3_bucket" "tables" {
  #checkov:skip=CKV_AWS_19:aws_s3_bucket_server_side_encryption_configuration.tables encrypts
  #checkov:skip=CKV_AWS_18:Access logs of a bucket with a request every few seconds are the owner's decision; CloudTrail data events do it as well
  #checkov:skip=CKV_AWS_21:Versions would keep what vacuum deletes; the Delta log has a history of its own
  #checkov:skip=CKV_AWS_144:Another region is the owner's decision
  #checkov:skip=CKV_AWS_145:By kms_key_arn; without one S3's own keys encrypt
  #checkov:skip=CKV2_AWS_62:Nobody needs to hear of single objects
  count  = var.create_bucket ? 1 : 0
  bucket = var.bucket
  tags   = var.tags

  lifecycle {
    # It is what was counted, and costs nothing to keep for a moment longer.
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "tables" {
  count                   = var.create_bucket ? 1 : 0
  bucket                  = aws_s3_bucket.tables[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "tables" {
  count  = var.create_bucket ? 1 : 0
  bucket = aws_s3_bucket.tables[0].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "tables" {
  count  = var.create_bucket ? 1 : 0
  bucket = aws_s3_bucket.tables[0].id
  rule {
    # Fewer requests to the key: one for many objects.
    bucket_key_enabled = var.kms_key_arn != ""
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == "" ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn == "" ? null : var.kms_key_arn
    }
  }
}

# What is never finished, and nothing else: a rule that deletes by age would delete live files.
resource "aws_s3_bucket_lifecycle_configuration" "tables" {
  #checkov:skip=CKV_AWS_300:Uploads below the prefix only: those beside it are others'
  count  = var.manage_lifecycle ? 1 : 0
  bucket = local.bucket
  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {
      prefix = var.prefix
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

# Only by TLS; and whoever writes an entry of a log has to say that it must not be there yet (the guard).
resource "aws_s3_bucket_policy" "tables" {
  count      = var.manage_bucket_policy ? 1 : 0
  bucket     = local.bucket
  policy     = templatefile("${path.module}/policies/bucket.json", local.names)
  depends_on = [aws_s3_bucket_public_access_block.tables]
}
