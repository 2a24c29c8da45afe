output "store" {
  description = "Value `store` of the chart."
  value       = "s3://${local.bucket}${var.prefix == "" ? "" : "/${trimsuffix(var.prefix, "/")}"}"
}

output "role_arns" {
  description = "Roles by who has them: aggregator, and reader where there are report jobs."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

output "chart_values" {
  description = "Values of the chart, as YAML: store, and with IRSA the roles of the service accounts."
  value = yamlencode(merge(
    { store = "s3://${local.bucket}${var.prefix == "" ? "" : "/${trimsuffix(var.prefix, "/")}"}" },
    var.identity != "irsa" ? {} : merge(
      { aggregator = { serviceAccount = { annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.this["aggregator"].arn } } } },
      contains(keys(local.accounts), "reader") ? { reports = { serviceAccount = { annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.this["reader"].arn } } } } : {},
    ),
  ))
}
