{{/* What the schema cannot say in words that tell what to do. */}}
{{- define "flowtoll.requirements" -}}
{{- if not .Values.store -}}
{{- fail "store is not set: say where the tables are, for example --set store=s3://bucket/prefix (docs/stores.md)" -}}
{{- end -}}
{{- $isDirectory := include "flowtoll.storeIsDirectory" . -}}
{{- if and $isDirectory (not (include "flowtoll.claimName" .)) (not .Values.aggregator.extraVolumeMounts) -}}
{{- fail (printf "store is the directory %s, and pods have no volume there: set volume.create or volume.existingClaim" .Values.store) -}}
{{- end -}}
{{- if and (not $isDirectory) (include "flowtoll.claimName" .) -}}
{{- fail (printf "store is %s, which needs no volume: remove volume.create and volume.existingClaim" .Values.store) -}}
{{- end -}}
{{- if include "flowtoll.oneAtATime" . -}}
{{- if or .Values.aggregator.autoscaling.enabled (gt (int .Values.aggregator.replicas) 1) -}}
{{- fail "the volume of the tables can be mounted on one node only (volume.accessModes): set aggregator.replicas to 1 and no autoscaling, or use a volume with ReadWriteMany" -}}
{{- end -}}
{{- end -}}
{{- if not .Values.insecure -}}
{{- range $what, $mode := dict "tls.mode" .Values.tls.mode "agentAuth.mode" .Values.agentAuth.mode "readAuth.mode" .Values.readAuth.mode -}}
{{- if eq $mode "none" -}}
{{- fail (printf "%s is none: that needs insecure=true, and a network that you trust" $what) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.agent.enabled) (has .Values.agentAuth.mode (list "kubernetes" "keys")) (not .Values.agentAuth.extraServiceAccounts) -}}
{{- fail "nobody may deliver: this release has no agents (agent.enabled), so name the service accounts of others in agentAuth.extraServiceAccounts, as namespace/name" -}}
{{- end -}}
{{- with .Values.aggregator.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "aggregator.autoscaling.minReplicas is %d, more than maxReplicas, %d" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.tls.mode "none") (eq .Values.agentAuth.mode "mtls") -}}
{{- fail "agentAuth.mode is mtls, which needs certificates: set tls.mode to another than none" -}}
{{- end -}}
{{- end }}
