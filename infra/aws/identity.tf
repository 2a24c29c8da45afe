# Who the pods are in AWS, and what they may: the files in policies/, which the product's tests hold against every request that it makes.

data "aws_iam_policy_document" "trust" {
  for_each = local.accounts

  dynamic "statement" {
    for_each = var.identity == "irsa" ? [1] : []
    content {
      actions = ["sts:AssumeRoleWithWebIdentity"]
      principals {
        type        = "Federated"
        identifiers = [var.oidc_provider_arn]
      }
      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:sub"
        values   = ["system:serviceaccount:${var.namespace}:${each.value}"]
      }
      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:aud"
        values   = ["sts.amazonaws.com"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.identity == "pod-identity" ? [1] : []
    content {
      actions = ["sts:AssumeRole", "sts:TagSession"]
      principals {
        type        = "Service"
        identifiers = ["pods.eks.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role" "this" {
  for_each             = local.accounts
  name                 = "${var.role_prefix}-${each.key}"
  description          = "Flowtoll's ${each.key}: ${var.namespace}/${each.value}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  permissions_boundary = local.boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "tables" {
  for_each = local.accounts
  name     = "tables"
  role     = aws_iam_role.this[each.key].id
  policy   = templatefile("${path.module}/policies/${each.key}.json", local.names)
}

resource "aws_iam_role_policy" "key" {
  for_each = local.has_kms ? local.accounts : {}
  name     = "key"
  role     = aws_iam_role.this[each.key].id
  policy   = templatefile("${path.module}/policies/${each.key}-kms.json", local.names)
}

resource "aws_eks_pod_identity_association" "this" {
  for_each        = var.identity == "pod-identity" ? local.accounts : {}
  cluster_name    = var.eks_cluster
  namespace       = var.namespace
  service_account = each.value
  role_arn        = aws_iam_role.this[each.key].arn
  tags            = var.tags
}
